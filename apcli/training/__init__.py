"""Training: the loop, what a step is made of, and how a run is stopped and taken up again."""

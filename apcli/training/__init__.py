"""Training: the loop, the parts of a step, and stopping and resuming a run."""

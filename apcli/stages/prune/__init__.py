"""Prune: from a request to the number of weights to remove, the weights themselves, and the written file."""

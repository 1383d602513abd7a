"""Bounds that a divergence, or the weights, put on what pruning does."""

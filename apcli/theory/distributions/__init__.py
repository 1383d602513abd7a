"""Pairs of distributions, of the dense and of the pruned weights, and their exact divergences."""

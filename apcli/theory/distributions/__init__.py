"""Pairs of distributions, the dense weights' and the pruned weights', and their exact divergences."""

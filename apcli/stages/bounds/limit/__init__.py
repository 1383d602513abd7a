"""The pruning limit: the fewest weights that a dense network must keep for its loss (arXiv:2306.05857)."""

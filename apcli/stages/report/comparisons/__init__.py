"""Comparisons of runs: the agreement of orders, rankings of measures, and differences between methods."""

"""Comparisons of runs: numbers without sentences. ``summary.comparisons_of`` has them all."""

"""Measure divergences: from pairs of checkpoints to records."""

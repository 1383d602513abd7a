"""Checkpoints: what stands on disk of a network. No torch, but for ``state_dicts``."""

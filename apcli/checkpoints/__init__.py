"""Checkpoints: networks on disk. No torch, except in ``state_dicts``."""

"""Describe a checkpoint, for ``apcli report CHECKPOINT`` and ``apcli.describe``."""

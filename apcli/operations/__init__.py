"""The stages: configuration and files in, files and records out."""

from apcli.training.pace import Tell

__all__ = ["Tell"]

"""The last layer of a small network as a landscape of its own."""

from landscapes import limits, limits_for, oracle, pair, subject

__all__ = ["limits", "limits_for", "oracle", "pair", "subject"]

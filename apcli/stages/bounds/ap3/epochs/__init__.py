"""Theorem 2: the epochs of a trace."""

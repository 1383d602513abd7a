"""Divergences estimated by Monte Carlo."""

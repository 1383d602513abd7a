"""Widths of a network's layers under a budget: costs, the convex program, whole widths, and the published program."""

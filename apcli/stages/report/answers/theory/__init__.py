"""The answers that records of bounds give."""

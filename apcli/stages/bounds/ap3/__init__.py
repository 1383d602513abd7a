"""The bounds between AP2, AP3 and the performance difference (arXiv:2403.00155)."""

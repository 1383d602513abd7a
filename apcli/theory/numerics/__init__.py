"""Quadrature and linear algebra."""

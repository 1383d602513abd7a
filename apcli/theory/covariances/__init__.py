"""Scale matrices of elliptical distributions."""

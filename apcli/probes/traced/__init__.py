"""A network as the list of operations that it makes of its input."""

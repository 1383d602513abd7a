"""Follow every entry of every axis through one pass of a network."""

"""Selection: which weights go, by exact counts and without a sort."""

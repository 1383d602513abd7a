"""Command lines, rebuilt from the lineages of the files that they made."""

"""The tables that name methods, distributions and the like."""

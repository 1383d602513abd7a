"""Options of each stage: the only definition of every default and range (standard library only)."""

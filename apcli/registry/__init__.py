"""Tables of named functions: criteria, distributions, allocations and others."""

"""Standard input, output and error: the whole contract of the pipe, here only."""

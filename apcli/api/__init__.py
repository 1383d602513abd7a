"""How a stage is called, from Python and by the command line."""

"""The stages as functions, for Python and for the command line."""

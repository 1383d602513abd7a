"""The command line: options in, stages called, paths and records out."""

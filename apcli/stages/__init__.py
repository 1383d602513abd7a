"""The stages: configuration and files in, files and records out."""

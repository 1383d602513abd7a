"""The stages: configuration and files in, files and records out."""

from collections.abc import Callable

Tell = Callable[[str], None]  # shows one line of progress

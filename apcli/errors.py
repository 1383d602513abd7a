"""Errors and their exit codes.

A message is one line: what was given, what was expected, and what to do next.
"""


class ApcliError(Exception):
    """The run failed because of the input or the machine (exit 1)."""

    exit_code = 1


class UsageError(ApcliError):
    """The command makes no sense (exit 2): an unknown name, a value out of range, nothing to read.

    Attributes:
        everywhere: whether all cooperating processes end with this error, so that only one reports it.
    """

    exit_code = 2
    everywhere = True


class VerificationError(ApcliError):
    """A file does not keep its promises (exit 3): a lost zero, a changed ancestor."""

    exit_code = 3

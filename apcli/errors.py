"""What can go wrong, and the exit code that says so.

A message is one line: what was given, what was expected, what to do next.
"""


class ApcliError(Exception):
    """The run failed (exit 1): the input or the machine does not allow it."""

    exit_code = 1


class UsageError(ApcliError):
    """The command cannot mean anything (exit 2): an unknown name, a value out of range, nothing to read.

    Attributes:
        everywhere: whether all processes that work together end with it, so that one of them says it.
    """

    exit_code = 2
    everywhere = True


class VerificationError(ApcliError):
    """A file is not what it was promised to be (exit 3): a lost zero, a changed ancestor."""

    exit_code = 3

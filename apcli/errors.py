"""Errors and their exit codes.

A message is one line: what was given, what was expected, and what to do next.
"""


class ApcliError(Exception):
    """The run failed because of the input or the machine (exit 1)."""

    exit_code = 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: the system's, a GPU's, or that of torch on a CPU, which has no class for it."""
    of_a_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return of_a_cpu or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def first_line(error: BaseException) -> str:
    """An error's message up to its first line break, for a message of one line; the error's type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


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

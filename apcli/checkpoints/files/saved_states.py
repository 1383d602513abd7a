"""Where the saved states of a training lie, and their removal. Standard library only."""

from pathlib import Path

_SUFFIXES = (".resume.pt", ".resume.before.pt")


def states_beside(result: Path) -> tuple[Path, Path]:
    """The files of the saved state of the training that makes ``result``, and of the state before it."""
    stem = result.name.split(".safetensors")[0]
    now, before = (result.with_name(stem + suffix) for suffix in _SUFFIXES)
    return now, before


def remove_states(result: Path) -> None:
    """Remove the saved states: the result is complete."""
    for path in states_beside(result):
        path.unlink(missing_ok=True)


def remove_left_over_states(result: Path) -> None:
    """Remove the states that a run left which was killed after its last write: those older than the result.

    A newer one is of a run that would replace the result, and can go on.
    """
    for path in states_beside(result):
        if path.exists() and path.stat().st_mtime_ns <= result.stat().st_mtime_ns:
            path.unlink(missing_ok=True)

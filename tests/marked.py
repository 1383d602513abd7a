"""Cases of one test of which some are enough, and the others are left to a longer run.

A tuple is one case of several values.
"""

from collections.abc import Iterable
from typing import Any

import pytest


def slow(case: Any) -> Any:
    """A case that `make test-fast` leaves out."""
    return _marked(case, pytest.mark.slow)


def slow_but(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """The cases, of which `make test-fast` has those that are ``quick``."""
    return [case if case in quick else slow(case) for case in cases]


def long_but(cases: Iterable[Any], *kept: Any) -> list[Any]:
    """The cases, of which `make test` has those that are ``kept``."""
    return [case if case in kept else _marked(case, pytest.mark.long) for case in cases]


def _marked(case: Any, mark: pytest.MarkDecorator) -> Any:
    return pytest.param(*case, marks=mark) if isinstance(case, tuple) else pytest.param(case, marks=mark)

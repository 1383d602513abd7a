"""Costs are counted of the networks as they are."""

import pytest


@pytest.fixture(scope="module")
def small_networks() -> None:
    """In place of the stages' own."""

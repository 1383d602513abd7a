"""What an allocation decides about, and what it may look at."""

import pytest

from apcli.allocations.units import Context, Resource, Unit, least
from apcli.configs.prune import RESOURCES


def test_a_unit_can_lose_all_but_its_least():
    assert Unit("fc", 30, (5, 6)).most == 30
    assert Unit("fc", 30, (5, 6), least=5).most == 25
    assert Unit("fc", 30, (5, 6), least=30).most == 0


def test_a_command_line_names_the_resources():
    assert set(Resource) == set(RESOURCES)
    assert all(resource.noun for resource in Resource)


@pytest.mark.parametrize(
    ("what", "given", "words"),
    [
        ("lowest", (3,), "scores"),
        ("grams", (), "activations"),
        ("ends", (), "the first and the last layer"),
    ],
)
def test_what_a_context_does_not_know_is_refused_by_name(what, given, words):
    with pytest.raises(ValueError, match=f"^{words} are not known here: choose another scope$"):
        getattr(Context(), what)(*given)


@pytest.mark.parametrize(("size", "min_keep", "kept"), [(30, 0.1, 3), (7, 0.5, 4), (1, 0.9, 1), (9, 2.5, 3), (4, 9, 4)])
def test_the_least_is_a_share_or_a_count_rounded_up(size, min_keep, kept):
    assert least(size, min_keep) == kept


def test_a_share_is_taken_as_it_is_written():
    """0.07 of 100 is 7, though 0.07 * 100 is 7.000000000000001 in floats."""
    assert [least(100, share) for share in (0.07, 0.14, 0.28, 0.29)] == [7, 14, 28, 29]
    assert [least(size, 0.0) for size in (0, 5)] == [0, 0]

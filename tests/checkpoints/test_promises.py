"""Promises and links as JSON: read back, kept as a later apcli wrote them, and refused where they are none."""

import json

import pytest

from apcli.checkpoints.promises import Allocated, Link, Promise, Spent, is_count, is_number, others

WHOLE = Promise(3, 4, "lowest", "layer", seed=5, requested=0.5)


def test_a_promise_reads_back_with_what_a_later_version_added():
    said = WHOLE.to_json()
    assert said == {
        "method": "lowest", "scope": "layer", "seed": 5, "requested": 0.5, "actual": 0.75, "zeros": 3, "size": 4
    }  # fmt: skip
    assert Promise.from_json(said) == WHOLE
    later = Promise.from_json({**said, "block": 16})
    assert later.unknown == {"block": 16}
    assert later.to_json() == {**said, "block": 16}
    assert Promise.from_json({"zeros": 0, "size": 0}).actual == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("zeros", -1), ("zeros", True), ("zeros", 5), ("zeros", 10**400),
        ("size", 1.0), ("size", None), ("method", 3), ("scope", []), ("seed", "0"),
        ("requested", "half"), ("requested", True),
    ],
)  # fmt: skip
def test_what_is_no_promise(key, value):
    with pytest.raises(ValueError, match="is no promise: expected counts of zeros and size"):
        Promise.from_json({**WHOLE.to_json(), key: value})


def test_a_link_reads_back_also_without_a_path():
    for link in (
        Link("a/b.safetensors", "0f"),
        Link(None, "0f"),
        Link("x", "1", {"size": 3}),
        Link("x", "1", key="ema"),
    ):
        assert Link.from_json(link.to_json()) == link


@pytest.mark.parametrize(
    "given",
    [
        None,
        "x",
        {"path": "x"},
        {"path": 3, "sha256": ""},
        {"path": "a\0b", "sha256": ""},
        {"path": "x", "sha256": "", "key": 3},
    ],
)
def test_what_is_no_link(given):
    with pytest.raises(ValueError, match="is no link: expected a path and a sha256"):
        Link.from_json(given)


def test_numbers_and_counts_of_json():
    assert [is_number(value) for value in (1, 1.5, True, "1", None)] == [True, True, False, False, False]
    assert [is_number(value) for value in (float("nan"), -float("inf"), 10**308, 10**309, -(10**309))] == [
        *[True, True, True, False, False],
    ]
    assert [is_count(value) for value in (0, 1, -1, 1.0, True)] == [True, True, False, False, False]
    assert others({"a": 1, "b": 2}, {"a"}) == {"b": 2}


def test_an_allocation_is_read_as_it_was_written():
    for budget in (None, Spent("macs", 100.0, 50.0, 49.5)):
        allocation = Allocated({"conv": (3, 8)}, budget, {"images": 256})
        assert Allocated.from_json(json.loads(json.dumps(allocation.to_json()))) == allocation


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": {"conv": [3]}},
        {"widths": {"conv": [3, -1]}},
        {"widths": None},
        {"evidence": []},
        {"budget": {"resource": "macs", "dense": 1, "left": 1}},
        {"budget": {"resource": "macs", "dense": "1", "left": 1, "got": 1}},
        {"budget": [1]},
    ],
)
def test_what_is_no_allocation_is_refused(changes):
    given = {**Allocated({"conv": (3, 8)}).to_json(), **changes}
    with pytest.raises(ValueError, match="is no allocation"):
        Allocated.from_json(given)
    with pytest.raises(ValueError, match="is no allocation"):
        Allocated.from_json(3)

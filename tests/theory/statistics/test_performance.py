"""PD: what each split says, and what is unknown."""

import pytest

from apcli.theory.statistics.performance import SPLITS, difference

DENSE = {"test": {"loss": 0.25, "accuracy": 92.5}, "train": {"loss": 0.125, "accuracy": 99.0}}
PRUNED = {"test": {"loss": 1.75, "accuracy": 60.0}, "train": {"loss": 0.0625, "accuracy": 99.5}}


def test_pd_is_the_absolute_difference_of_each_split():
    expected = {"test": {"loss": 1.5, "accuracy": 32.5}, "train": {"loss": 0.0625, "accuracy": 0.5}}
    assert difference(DENSE, PRUNED) == difference(PRUNED, DENSE) == expected
    assert tuple(expected) == SPLITS


def test_no_other_number_of_a_split_counts():
    found = difference(
        {"test": {"loss": 1.0, "accuracy": 5.0, "top5": 9.0}}, {"test": {"loss": 1.0, "accuracy": 5.0, "top5": 1.0}}
    )
    assert found == {"test": {"loss": 0, "accuracy": 0}, "train": None}


@pytest.mark.parametrize("unknown", [{"train": PRUNED["train"]}, {**PRUNED, "test": None}, {**PRUNED, "test": {}}])
def test_a_split_unknown_on_either_side_has_none(unknown):
    for found in (difference(DENSE, unknown), difference(unknown, DENSE)):
        assert found["test"] is None
        assert found["train"] == {"loss": 0.0625, "accuracy": 0.5}


def test_a_network_of_unknown_metrics_has_no_pd():
    assert difference(None, PRUNED) == difference(DENSE, None) == {"test": None, "train": None}


def test_a_loss_that_is_not_finite_has_none():
    """Lines of JSON hold null for it."""
    found = difference(DENSE, {**PRUNED, "train": {"loss": None, "accuracy": 10.0}})
    assert found["train"] is None
    assert found["test"] is not None

"""Pairs that break the order of Lemma 2, with the spread of PD and AP3's threshold."""

from dataclasses import replace

import pytest
from studies import only_group

from apcli.records.divergence import Difference, PerformanceDifference
from apcli.stages.report.comparisons.broken_pairs import THRESHOLD, pair_of
from apcli.stages.report.runs.moments import FINAL
from apcli.stages.report.runs.quantities import PD_LOSS


def pair(make_grid, aps, pds, dists=("gaussian",), missing=()):
    """The pair of lowest and random at one sparsity: AP by method, PD by method and seed."""
    records = []
    for r in make_grid(seeds=tuple(range(len(pds["lowest"]))), epochs=0, sparsities=(0.5,)):
        if r.method in aps and r.dist in dists and (r.method, r.seed) not in missing:
            loss = PerformanceDifference(Difference(pds[r.method][r.seed], 0.0))
            records.append(replace(r, value=aps[r.method], pd=loss))
    group = only_group(records)
    return pair_of(*group.runs, group.measures[0], PD_LOSS[0], FINAL)


def test_difference_is_paired_on_the_dense_network(make_grid):
    """The PDs of single methods vary by more than they differ, their differences do not."""
    found = pair(make_grid, {"lowest": 1.0, "random": 1.5}, {"lowest": [1.3, 5.2, 9.4], "random": [1.0, 5.0, 9.0]})
    assert found.difference.values == pytest.approx((0.3, 0.2, 0.4))
    assert (found.difference.n, found.difference.unit) == (3, "dense network")
    assert found.within_spread is False
    assert found.low.pd.sd > found.low.pd.mean - found.high.pd.mean


def test_spread_of_a_pair(make_grid):
    wide = pair(make_grid, {"lowest": 1.0, "random": 1.5}, {"lowest": [3.0, 1.0], "random": [1.0, 2.0]})
    assert wide.within_spread is True
    one = pair(make_grid, {"lowest": 1.0, "random": 1.5}, {"lowest": [3.0], "random": [1.0]})
    assert one.within_spread is None


@pytest.mark.parametrize(
    ("low", "high", "beyond", "explained"),
    [
        (1.0, 1.9, (), False),
        (1.0, THRESHOLD, ("random (layer) at 0.5",), True),
        (2.5, 7.0, ("lowest (layer) at 0.5", "random (layer) at 0.5"), True),
    ],
)
def test_threshold_of_ap3_explains_pairs_at_or_above_it(make_grid, low, high, beyond, explained):
    found = pair(make_grid, {"lowest": low, "random": high}, {"lowest": [3.0], "random": [1.0]})
    assert (found.beyond, found.explained) == (beyond, explained)
    assert found.names == "lowest (layer) at 0.5 / random (layer) at 0.5"


def test_threshold_says_nothing_about_ap2(make_grid):
    found = pair(make_grid, {"lowest": 1.0, "random": 9.0}, {"lowest": [3.0], "random": [1.0]}, dists=("ap2",))
    assert (found.beyond, found.explained) == (None, None)


def test_means_are_of_the_dense_networks_that_both_have(make_grid):
    pds = {"lowest": [3.0, 4.0, 50.0], "random": [1.0, 2.0, 60.0]}
    found = pair(make_grid, {"lowest": 1.0, "random": 1.5}, pds, missing=[("random", 2)])
    assert (found.low.pd.mean, found.high.pd.mean) == (3.5, 1.5)
    assert (found.low.pd.n, found.difference.n) == (2, 2)


def test_runs_without_a_common_dense_network_are_refused(make_grid):
    with pytest.raises(ValueError, match="no AP and PD on a dense network of the other run"):
        pair(
            make_grid,
            {"lowest": 1.0, "random": 1.5},
            {"lowest": [3.0, 4.0], "random": [1.0, 2.0]},
            missing=[("random", 1), ("lowest", 0)],
        )

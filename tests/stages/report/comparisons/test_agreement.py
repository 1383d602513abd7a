"""Agreement of two orders within dense networks, against counting all pairs and against SciPy."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau
from studies import only_group, variant

from apcli.stages.report.comparisons.agreement import agreements_by_epoch, agreements_of
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED
from apcli.stages.report.runs.quantities import PD_LOSS
from apcli.theory.statistics.clusters import LEAST

TEST_LOSS = PD_LOSS[0]


@pytest.fixture(scope="module")
def five(make_grid):
    """AP2 of five dense networks, with two seeds of fine-tuning each."""
    records = variant(make_grid(seeds=range(5), epochs=2), "ap2")
    other = [
        replace(r, seed=9, value=1.1 * r.value, pruned=replace(r.pruned, sha256=f"f{r.pruned.sha256}")) for r in records
    ]
    return only_group([*records, *other])


def by_hand(group, moment, runs=None):
    """tau of each dense network by SciPy: both values of each run, the mean over its seeds."""
    (measure,) = group.measures
    taus = []
    for network in group.runs[0].networks:
        points = []
        for run in group.runs if runs is None else runs:
            trials = [trial for trial in run.trials if trial.network == network]
            values = [
                [trial.at(key, 0) if moment == JUST_PRUNED else trial.final(key) for trial in trials]
                for key in (measure.key, TEST_LOSS.key)
            ]
            points.append([np.mean(each) for each in values])
        taus.append(kendalltau(*zip(*points, strict=True)).statistic)
    return taus


def found(agreements, over, moment=FINAL, **which):
    (one,) = (
        a
        for a in agreements
        if (a.over, a.moment, a.target) == (over, moment, TEST_LOSS)
        and all(getattr(a, name) == value for name, value in which.items())
    )
    return one


@pytest.mark.parametrize("moment", [FINAL, JUST_PRUNED])
def test_tau_of_each_dense_network_is_scipys(five, moment):
    overall = found(agreements_of(five), "all", moment)
    assert overall.taus == pytest.approx(by_hand(five, moment))
    assert overall.tau == pytest.approx(np.mean(overall.taus)), "without ties and gaps"
    assert (len(overall.networks), overall.cells, overall.pairs) == (5, 12, 5 * math.comb(12, 2))
    assert overall.range == (min(overall.taus), max(overall.taus))
    assert overall.interval[0] < overall.tau < overall.interval[1]
    assert overall.words.endswith("]")


def test_runs_of_a_sparsity_a_method_and_the_same_sparsity(five):
    agreements = agreements_of(five)
    for sparsity in five.sparsities:
        runs = [run for run in five.runs if run.sparsity == sparsity]
        one = found(agreements, "sparsity", sparsity=sparsity)
        assert one.taus == pytest.approx(by_hand(five, FINAL, runs))
        assert one.runs == tuple(runs)
    for method in five.methods:
        runs = [run for run in five.runs if run.method == method]
        assert found(agreements, "method", method=method).taus == pytest.approx(by_hand(five, FINAL, runs))
    same = found(agreements, "same sparsity")
    parts = [found(agreements, "sparsity", sparsity=sparsity) for sparsity in five.sparsities]
    assert (same.agree, same.pairs) == (sum(a.agree for a in parts), 5 * 4 * 3)
    assert same.tau == pytest.approx(np.mean([a.tau for a in parts]))
    assert same.broken == ()


def test_fewer_than_five_dense_networks_have_their_range_and_no_interval(five):
    kept = five.runs[0].networks[: LEAST - 1]
    few = replace(
        five, runs=tuple(replace(r, trials=tuple(t for t in r.trials if t.network in kept)) for r in five.runs)
    )
    overall = found(agreements_of(few), "all")
    assert len(overall.taus) == LEAST - 1
    assert overall.interval is None
    low, high = (f"{value:.2f}" for value in overall.range)
    assert overall.words == f"{overall.tau:.2f} (single networks {low} to {high})"


def test_one_dense_network_has_its_tau_alone(make_grid):
    overall = found(agreements_of(only_group(variant(make_grid(seeds=(0,), epochs=0), "ap2"))), "all")
    assert overall.words == f"{overall.tau:.2f}"
    assert overall.taus == (overall.tau,)
    assert len(overall.broken) == overall.breaks


def test_runs_of_different_dense_networks_are_not_compared(make_grid):
    """Each method on a network of its own: pairs remain only within a method."""
    records = [replace(r, dense=replace(r.dense, sha256=r.method)) for r in make_grid(seeds=(0,), epochs=0)]
    agreements = agreements_of(only_group(variant(records, "ap2")))
    assert {a.over for a in agreements} == {"all", "method"}
    assert found(agreements, "all").pairs == 3 * math.comb(4, 2)


def test_what_is_not_known_is_in_no_pair(make_grid):
    records = variant(make_grid(seeds=(0, 1), epochs=0, sparsities=(0.1, 0.5)), "ap2")
    gone = [r for r in records if (r.seed, r.method) != (1, "random")]
    blind = [replace(r, value=None) if (r.method, r.seed) == ("lowest", 0) else r for r in gone]
    overall = found(agreements_of(only_group(blind)), "all")
    assert overall.pairs == 2 * math.comb(4, 2)
    assert np.isnan(overall.aps).tolist() == [
        [True, True, False, False, False, False],
        [False] * 4 + [True] * 2,
    ]


def test_constant_values_have_no_tau(make_grid):
    records = [replace(r, value=1.0) for r in variant(make_grid(seeds=(0,), epochs=0), "ap2")]
    overall = found(agreements_of(only_group(records)), "all")
    assert (overall.tau, overall.range, overall.words, overall.tied) == (None, None, "unknown", 66)


@pytest.mark.slow
def test_agreements_cover_moments_targets_and_subsets(records):
    group = only_group(records)
    agreements = agreements_of(group)
    assert len(agreements) == 2 * 2 * (1 + 4 + 3 + 1) * 3
    assert {a.moment for a in agreements} == {FINAL, JUST_PRUNED}
    assert {a.cells for a in agreements if a.over == "sparsity"} == {3}


def test_agreement_at_every_epoch(five):
    by_epoch = agreements_by_epoch(five)
    assert {(a.moment, a.over) for a in by_epoch} == {(e, o) for e in (0, 1, 2) for o in ("all", "same sparsity")}
    assert found(by_epoch, "all", 0).taus == found(agreements_of(five), "all", JUST_PRUNED).taus
    assert found(by_epoch, "all", 2).taus == found(agreements_of(five), "all", FINAL).taus


def test_broken_pairs_are_those_of_the_means(five):
    overall = found(agreements_of(five), "all")
    expected = set()
    for first, second in combinations(five.runs, 2):
        ap, pd = ((first.final(k).mean - second.final(k).mean) for k in (overall.measure.key, TEST_LOSS.key))
        expected |= {(first.name, second.name) if ap < 0 else (second.name, first.name)} if ap * pd < 0 else set()
    assert {(pair.low.name, pair.high.name) for pair in overall.broken} == expected
    assert expected

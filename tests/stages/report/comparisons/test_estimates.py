"""Estimates over replicates, against SciPy and against counting by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from studies import only_group, variant

from apcli.stages.report.comparisons.estimates import by_network, estimate, estimate_of, paired


def accuracy(trial):
    return trial.accuracy("pruned")


@pytest.fixture(scope="module")
def records(make_grid):
    return variant(make_grid(seeds=range(5), epochs=0, sparsities=(0.1, 0.5)), "ap2")


def test_dense_networks_are_the_replicates(records):
    run = only_group(records).runs[0]
    found = estimate_of(run, accuracy)
    values = [trial.accuracy("pruned") for trial in run.trials]
    assert (found.values, found.n, found.unit) == (tuple(values), 5, "dense network")
    assert (found.mean, found.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert found.interval == pytest.approx(stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values)))


def test_seeds_of_one_dense_network_are_one_value_among_several(records):
    twice = [replace(r, seed=7, pruned=replace(r.pruned, sha256=f"f{r.pruned.sha256}")) for r in records]
    assert estimate_of(only_group([*records, *twice]).runs[0], accuracy).n == 5
    same = [replace(r, dense=records[0].dense) for r in records]
    assert (estimate_of(only_group(same).runs[0], accuracy).unit, len(only_group(same).runs[0].trials)) == ("seed", 5)


def test_seeds_are_averaged_within_their_dense_network():
    found = estimate([("a", 1.0), ("a", 3.0), ("b", 10.0)])
    assert (found.values, found.mean, found.n) == ((2.0, 10.0), 6.0, 2)
    assert found.interval is None, "two are too few"


def test_one_value_and_none():
    one = estimate([("a", 4.0)])
    assert (one.mean, one.sd, one.n, one.values, one.unit, one.interval) == (4.0, None, 1, (4.0,), "seed", None)


def test_a_quantity_that_no_trial_knows_has_no_estimate(records):
    assert estimate_of(only_group(records).runs[0], lambda _: None) is None


def test_pairs_share_dense_network_and_seed(records):
    kept = [r for r in records if (r.method, r.seed) not in {("lowest", 0), ("random", 3)}]
    first, second = (next(run for run in only_group(kept).runs if name in run.method) for name in ("lowest", "random"))
    found = dict(paired(first, second, accuracy))
    ours, theirs = ({t.network: accuracy(t) for t in run.trials} for run in (first, second))
    assert found == {network: ours[network] - theirs[network] for network in ours.keys() & theirs.keys()}
    assert len(found) == 3


def test_mask_seeds_of_one_seed_are_averaged_before_they_are_paired(records):
    random = [r for r in records if r.method == "random"]
    masks = [
        replace(r, mask_seed=m, pruned=replace(r.pruned, sha256=f"{m}{r.pruned.sha256}"))
        for r in random
        for m in (0, 1)
    ]
    group = only_group([*(r for r in records if r.method == "lowest"), *masks])
    first, second = (next(run for run in group.runs if name in run.method) for name in ("lowest", "random"))
    assert (len(second.trials), len(paired(first, second, accuracy))) == (10, 5)


def test_table_by_network_and_run(records):
    group = only_group([r for r in records if (r.method, r.seed) != ("random", 2)])
    networks = group.runs[0].networks
    table = by_network(group.runs, networks, accuracy)
    assert table.shape == (5, 6)
    assert np.argwhere(np.isnan(table)).tolist() == [[2, 4], [2, 5]]
    assert table[4, 1] == accuracy(group.runs[1].trials[4])

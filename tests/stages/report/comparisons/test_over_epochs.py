"""Agreement over the epochs of one pruned network, against SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau
from studies import only_group, variant

from apcli.stages.report.comparisons.over_epochs import within_networks
from apcli.stages.report.runs.quantities import PD_LOSS
from apcli.theory.statistics.clusters import mean_interval


def test_tau_of_each_trial_is_scipys(make_grid):
    group = only_group(variant(make_grid(seeds=range(5), epochs=4, sparsities=(0.1, 0.5)), "student-t"))
    test, train = within_networks(group)
    assert (test.target, train.target) == PD_LOSS
    expected, networks = [], []
    for run in group.runs:
        for trial in run.trials:
            values = [[trial.at(key, epoch) for epoch in range(5)] for key in (test.measure.key, test.target.key)]
            expected.append(kendalltau(*values).statistic)
            networks.append(trial.network)
    assert test.taus == pytest.approx(expected)
    assert test.mean == pytest.approx(np.mean(expected))
    assert (test.low, test.high) == pytest.approx((min(expected), max(expected)))
    assert (test.n, test.networks, test.constant, test.epochs) == (30, 5, 0, (5, 5))
    assert test.interval == pytest.approx(mean_interval(expected, networks))
    assert test.runs[:6] == (*["lowest (layer) at 0.1"] * 5, "lowest (layer) at 0.5")


def test_a_measure_that_grows_while_pd_falls_runs_against_it(make_grid):
    records = variant(make_grid(seeds=(0,), epochs=3), "ap2")
    grown = [replace(r, value=1.0 + (3 if r.epoch is None else r.epoch)) for r in records]
    losing = [replace(r, pd=replace(r.pd, test=replace(r.pd.test, loss=1 / (1 + (r.epoch or 0))))) for r in grown]
    found = within_networks(only_group(losing))[0]
    assert (found.mean, found.low, found.high, found.n) == (-1.0, -1.0, -1.0, 12)
    assert found.interval is None, "one dense network"


def test_a_constant_measure_has_no_tau_and_is_counted(make_grid):
    records = variant(make_grid(seeds=(0,), epochs=3, sparsities=(0.1,)), "ap2")
    still = [replace(r, value=1.0) if r.method == "lowest" else r for r in records]
    assert [(found.n, found.constant) for found in within_networks(only_group(still))] == [(2, 1)] * 2
    assert within_networks(only_group([replace(r, value=1.0) for r in records])) == ()


def test_two_epochs_are_too_few(make_grid):
    assert within_networks(only_group(variant(make_grid(seeds=(0,), epochs=1), "ap2"))) == ()
    short = [
        r
        for r in variant(make_grid(seeds=(0,), epochs=2), "ap2")
        if r.method != "lowest" or r.epoch is None or r.epoch < 2
    ]
    found = within_networks(only_group(short))[0]
    assert (found.n, found.constant) == (8, 0), "four networks of lowest have two epochs"

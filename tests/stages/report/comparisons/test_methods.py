"""Paired differences of methods, against SciPy's paired t test."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from studies import only_group, variant

from apcli.stages.report.comparisons.methods import method_comparisons
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED


def with_accuracies(make_grid, accuracies, epochs=0, sparsities=(0.5,)):
    """Records with the final test accuracy of each method, by dense network."""
    made = []
    for r in variant(make_grid(seeds=range(len(accuracies["lowest"])), epochs=epochs, sparsities=sparsities), "ap2"):
        if r.method in accuracies:
            test = replace(r.metrics.pruned.test, accuracy=accuracies[r.method][r.seed])
            made.append(replace(r, metrics=replace(r.metrics, pruned=replace(r.metrics.pruned, test=test))))
    return only_group(made)


ACCURACIES = {
    "lowest": [90.1, 91.3, 89.7, 90.8, 90.2],
    "random": [89.9, 91.2, 89.9, 90.5, 90.3],
    "highest": [60.4, 63.1, 58.8, 61.9, 60.0],
}


def test_differences_against_scipy_with_holm(make_grid):
    found = method_comparisons(with_accuracies(make_grid, ACCURACIES))
    assert [(c.first.method, c.second.method) for c in found] == [
        ("lowest (layer)", "highest (layer)"),
        ("lowest (layer)", "random (layer)"),
        ("highest (layer)", "random (layer)"),
    ]
    raw = []
    for c in found:
        first, second = (np.array(ACCURACIES[run.method.split()[0]]) for run in (c.first, c.second))
        test = stats.ttest_rel(first, second)
        raw.append(test.pvalue)
        assert c.values == pytest.approx(first - second)
        assert c.difference == pytest.approx(np.mean(first - second))
        assert c.interval == pytest.approx(tuple(test.confidence_interval(0.95)), abs=1e-9)
        assert (c.n, c.unit, c.moment, c.sparsity) == (5, "dense network", FINAL, 0.5)
        assert c.detectable > 0
    order = np.argsort(raw)
    adjusted = np.minimum(1, np.maximum.accumulate(np.array(raw)[order] * [3, 2, 1]))
    assert [found[i].p for i in order] == pytest.approx(list(adjusted), rel=1e-6)
    assert [c.verdict for c in found] == ["better", "not distinguishable", "worse"]


def test_a_method_that_is_lower_is_worse(make_grid):
    swapped = {"lowest": ACCURACIES["highest"], "random": ACCURACIES["random"]}
    (c,) = method_comparisons(with_accuracies(make_grid, swapped))
    assert c.verdict == "worse"
    assert c.difference < 0


def test_two_networks_are_too_few(make_grid):
    (c,) = method_comparisons(with_accuracies(make_grid, {"lowest": [90.0, 91.0], "random": [50.0, 51.5]}))
    assert (c.verdict, c.n, c.p, c.interval, c.detectable) == ("too few", 2, None, None, None)
    assert c.difference == pytest.approx(39.75)


def test_equal_differences_have_no_test(make_grid):
    """The same difference up to rounding: the t test knows no spread, whatever the difference."""
    equal = {"lowest": [90.3, 71.1, 50.7], "random": [89.9, 70.7, 50.3]}
    (c,) = method_comparisons(with_accuracies(make_grid, equal))
    assert (c.verdict, c.p, c.interval, c.detectable) == ("no test", None, None, None)
    assert c.difference == pytest.approx(0.4)
    (c,) = method_comparisons(with_accuracies(make_grid, {**equal, "random": equal["lowest"]}))
    assert (c.verdict, c.p, c.difference) == ("not distinguishable", None, 0.0)


def test_each_moment_and_sparsity_is_compared_and_each_moment_adjusted(make_grid):
    group = only_group(variant(make_grid(seeds=range(4), epochs=1, sparsities=(0.1, 0.5)), "ap2"))
    found = method_comparisons(group)
    assert [c.moment for c in found] == [FINAL] * 6 + [JUST_PRUNED] * 6
    for c in found:
        state = "pruned" if c.moment == FINAL else "before"
        assert c.difference == pytest.approx(c.first.accuracy(state).mean - c.second.accuracy(state).mean)
    for moment in (FINAL, JUST_PRUNED):
        family = [c for c in found if c.moment == moment]
        raw = sorted(stats.ttest_1samp(c.values, 0).pvalue for c in family)
        assert min(c.p for c in family) == pytest.approx(min(1, 6 * raw[0]))


def test_methods_without_a_common_network_are_not_compared(make_grid):
    records = [replace(r, dense=replace(r.dense, sha256=r.method)) for r in make_grid(seeds=(0,), epochs=0)]
    assert method_comparisons(only_group(variant(records, "ap2"))) == ()

"""Contrast of measures between methods, against the formula with NumPy."""

import math

import numpy as np
import pytest
from studies import only_group, variant

from apcli.stages.report.comparisons.contrast import contrasts
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED


def test_contrast_is_over_the_pooled_sd(make_grid):
    group = only_group(make_grid(seeds=(0, 1, 2), epochs=1, sparsities=(0.1, 0.5)))
    found = contrasts(group)
    assert len(found) == 2 * 3 * 2 * 3, "moments, measures, sparsities, pairs of methods"
    for c in found:
        first, second = (
            np.array(
                [t.at(c.measure.key, 0) if c.moment == JUST_PRUNED else t.final(c.measure.key) for t in run.trials]
            )
            for run in (c.first, c.second)
        )
        pooled = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
        assert c.value == pytest.approx((first.mean() - second.mean()) / pooled)
        assert (c.n, c.unit) == ((3, 3), "dense network")
        assert c.first.sparsity == c.second.sparsity == c.sparsity
    assert {c.moment for c in found} == {FINAL, JUST_PRUNED}


def test_one_replicate_has_no_contrast(make_grid):
    assert contrasts(only_group(variant(make_grid(seeds=(0,), epochs=0), "ap2"))) == ()

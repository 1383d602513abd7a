"""Agreement of two orders, against counting all pairs."""

import math
from itertools import combinations

import pytest
from studies import only_group

from apcli.records.divergence import DivergenceRecord
from apcli.stages.report.comparisons.agreement import BrokenPair, Cell, agreement, agreements_of
from apcli.stages.report.runs.experiment import Stat
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED
from apcli.stages.report.runs.quantities import PD_LOSS, measures_of
from apcli.theory.statistics import kendall

(AP2,) = measures_of([DivergenceRecord(layer="*", dist="ap2", measure="ap2", estimator="exact")])
TEST_LOSS = PD_LOSS[0]


def cell(name, ap, pd, sd=None):
    return Cell(name, Stat(ap, None, 1), Stat(pd, sd, 1))


def tau_b(xs, ys):
    """From the definition, by counting all pairs."""
    signs = [(math.copysign(a != b, a - b), math.copysign(c != d, c - d))
             for (a, c), (b, d) in combinations(zip(xs, ys, strict=True), 2)]  # fmt: skip
    numerator = sum(x * y for x, y in signs)
    return numerator / math.sqrt(sum(x != 0 for x, _ in signs) * sum(y != 0 for _, y in signs))


@pytest.mark.parametrize("pds", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (1, 3, 2, 5, 4), (2, 2, 1, 3, 3)])
def test_tau_and_pairs_against_counting(pds):
    aps = (0.1, 0.2, 0.2, 0.4, 0.5)
    agreements = agreement([cell(str(i), a, p) for i, (a, p) in enumerate(zip(aps, pds, strict=True))], AP2, TEST_LOSS)
    pairs = list(combinations(range(5), 2))
    assert agreements.tau == pytest.approx(tau_b(aps, pds))
    assert agreements.agree == sum((aps[i] - aps[j]) * (pds[i] - pds[j]) > 0 for i, j in pairs)
    broken = {frozenset((i, j)) for i, j in pairs if (aps[i] - aps[j]) * (pds[i] - pds[j]) < 0}
    assert {frozenset((int(p.low.name), int(p.high.name))) for p in agreements.broken} == broken
    assert all(p.low.ap.mean < p.high.ap.mean and p.low.pd.mean > p.high.pd.mean for p in agreements.broken)
    assert agreements.agree + agreements.tied + len(agreements.broken) == agreements.pairs == 10


def test_tau_of_equal_values_is_not_known():
    assert agreement([cell("a", 1, 2), cell("b", 1, 3)], AP2, TEST_LOSS).tau is None


def test_interval_is_that_of_the_resampled_cells():
    aps, pds = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 3, 2, 4, 6, 5]
    cells = [cell(str(i), a, p) for i, (a, p) in enumerate(zip(aps, pds, strict=True))]
    agreements = agreement(cells, AP2, TEST_LOSS)
    assert agreements.interval == kendall.interval(kendall.bootstrap(aps, pds))
    assert agreements.interval[0] < agreements.tau < agreements.interval[1]
    assert agreements.words == f"0.73 [{agreements.interval[0]:.2f}, 1.00]".replace("-", "−")
    assert agreement(cells[:5], AP2, TEST_LOSS).interval is not None
    assert agreement(cells[:4], AP2, TEST_LOSS).interval is None


def test_spread_of_a_broken_pair():
    assert BrokenPair(cell("a", 1, 3.0, sd=1.5), cell("b", 2, 1.0, sd=1.5)).within_spread is True
    assert BrokenPair(cell("a", 1, 3.0, sd=1.0), cell("b", 2, 1.0, sd=1.0)).within_spread is False
    assert BrokenPair(cell("a", 1, 3.0), cell("b", 2, 1.0, sd=1.0)).within_spread is None


@pytest.mark.slow
def test_agreements_cover_moments_targets_and_sparsities(records):
    group = only_group(records)
    agreements = agreements_of(group)
    assert len(agreements) == 2 * 2 * 5 * 3
    assert {a.moment for a in agreements} == {FINAL, JUST_PRUNED}
    overall = next(a for a in agreements if a.sparsity is None and a.measure.label == "AP2")
    xs, ys = ([run.final(key).mean for run in group.runs] for key in (group.measures[0].key, TEST_LOSS.key))
    assert overall.tau == pytest.approx(tau_b(xs, ys))
    assert {a.cells for a in agreements if a.sparsity is not None} == {3}

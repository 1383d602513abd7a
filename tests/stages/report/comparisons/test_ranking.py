"""Measures ranked by tau: places, ties, and differences that are resolved."""

import pytest
from studies import only_group

from apcli.records.divergence import DivergenceRecord
from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.comparisons.ranking import LOWER, UNKNOWN, UNRESOLVED, rankings
from apcli.stages.report.runs.moments import FINAL
from apcli.stages.report.runs.quantities import PD_LOSS, measures_of
from apcli.theory.statistics.clusters import interval
from apcli.theory.statistics.kendall import pair_counts

(AP2,) = measures_of([DivergenceRecord(layer="*", dist="ap2", measure="ap2", estimator="exact")])


def test_ranking_puts_the_best_first_and_says_what_is_not_resolved(twelve_measures):
    group = only_group(twelve_measures)
    made = rankings(agreements_of(group))
    assert [(r.moment, r.target) for r in made] == [(FINAL, PD_LOSS[0]), (FINAL, PD_LOSS[1])]
    (ranking, _) = made
    labels = [m.label for place in ranking.places for m in place.measures]
    assert sorted(labels) == sorted(m.label for m in group.measures if m.label != "AP3 few")
    taus = [place.agreement.tau for place in ranking.places]
    assert taus == sorted(taus, reverse=True)
    assert ranking.best.names == "AP3 predictive"
    assert ranking.places[-1].names == "AP3 cauchy"
    assert ranking.places[-1].verdict == LOWER
    assert ranking.places[-1].below[0] > 0
    alike = next(place for place in ranking.places if AP2.label in place.names)
    assert {"AP2", "AP3 student-t", "AP3 laplace"} <= {m.label for m in alike.measures}, "one order, one place"


def test_a_difference_is_resolved_where_its_paired_interval_leaves_zero_out(twelve_measures):
    for ranking in rankings(agreements_of(only_group(twelve_measures))):
        best = ranking.best.agreement
        for place in ranking.places[1:]:
            resampled = [pair_counts(a.aps, a.pds).resampled for a in (best, place.agreement)]
            low, high = interval(resampled[0] - resampled[1], 5)
            assert place.below == (low, high)
            assert place.verdict == (LOWER if low > 0 else UNRESOLVED)
            assert place.difference == pytest.approx(best.tau - place.agreement.tau)
        assert {place.pairs[1] for place in ranking.places} == {5 * 4 * 3}, "networks, sparsities, pairs of methods"


def test_few_dense_networks_are_ranked_without_a_verdict(twelve_measures):
    group = only_group([r for r in twelve_measures if r.seed < 4])
    made = rankings(agreements_of(group))
    assert made
    assert {place.verdict for ranking in made for place in ranking.places} == {UNKNOWN}


def test_measures_of_one_order_are_not_ranked(make_grid):
    assert rankings(agreements_of(only_group(make_grid(seeds=(0,), epochs=0)))) == []

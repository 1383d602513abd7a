"""Pairs of runs: how many are few, and what is said of those at the highest sparsity."""

from dataclasses import replace

import pytest
from studies import only_group, variant, with_files

from apcli.stages.report.answers import pairs
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs.quantities import PD_LOSS


def agreements(records, moment="final"):
    return [a for a in comparisons_of(only_group(records)).agreements if (a.target, a.moment) == (PD_LOSS[0], moment)]


def overall(records):
    return next(a for a in agreements(records) if a.over == "all")


def test_fewer_than_ten_pairs_of_a_dense_network_are_few(make_grid):
    grid = variant(make_grid(seeds=(0, 1), epochs=0, sparsities=(0.1, 0.5)), "ap2")
    names = {(r.method, r.sparsity.requested) for r in grid}
    for runs in range(2, len(names) + 1):
        kept = sorted(names)[:runs]
        of_few = overall([r for r in grid if (r.method, r.sparsity.requested) in kept])
        assert pairs.are_few(of_few) == (runs * (runs - 1) // 2 < 10)
        assert ("pairs" in pairs.in_words(of_few)) == (runs < 5)


def test_pairs_are_counted_by_measure(make_grid):
    grid = make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))
    other = [replace(r, params={"cov": "diagonal"}, value=1 / r.value) for r in variant(grid, "gaussian")]
    found = [a for a in agreements([*grid, *other]) if a.over == "all"]
    assert pairs.counted(found) == "AP2 3 of 3 and AP3 gaussian cov=diagonal 0 of 3"


def test_the_highest_sparsity_alone(make_grid, small):
    assert pairs.at_the_sparsest(agreements(make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)))) == ""
    assert pairs.at_the_sparsest(agreements(small, "just pruned")) == (
        "Agreement over all runs comes partly from sparsity: at 50 % alone, pairs in the same order: AP2 6 of 6 (half "
        "by chance)."
    )


@pytest.mark.parametrize(("moment", "state"), [("just pruned", "before"), ("final", "pruned")])
def test_the_order_of_runs_at_chance_level_is_noise(small, moment, state):
    def at(accuracies):
        made = []
        for r in small:
            known = getattr(r.metrics, state)
            told = replace(known, test=replace(known.test, accuracy=accuracies[r.method]))
            made.append(replace(r, metrics=replace(r.metrics, **{state: told})))
        return pairs.at_the_sparsest(agreements(with_files(made), moment))

    words = "; highest (layer) and random (layer) are at chance level (10 %) there, and their order is noise."
    assert at({"lowest": 80.0, "random": 11.0, "highest": 9.0}).endswith(words)
    assert "noise" not in at({"lowest": 80.0, "random": 60.0, "highest": 9.0})

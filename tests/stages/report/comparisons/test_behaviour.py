"""Behaviour by method and sparsity: means, prune potentials, and which measure orders it."""

from dataclasses import replace

import numpy as np
import pytest
from behaviours import RECORD, behaviour_record, behaviours_of
from scipy import stats
from studies import only_group

from apcli.records.pair import File
from apcli.stages.report.comparisons.behaviour import behaved, potential, rankings_of, seen, shifts_of
from apcli.stages.report.runs.behaviours import KIND
from apcli.stages.report.runs.quantities import ScoreKey


@pytest.fixture(scope="module")
def group(make_grid):
    records = make_grid(seeds=range(5), epochs=0, sparsities=(0.1, 0.5))
    return only_group([*records, *behaviours_of(records, ["noise"])])


def test_files_stand_by_method_and_sparsity(group):
    found = behaved(group)
    assert [(one.method, one.sparsity) for one in found] == [(run.method, run.sparsity) for run in group.runs]
    assert {(one.split, len(one.records), len(one.shifted["noise"])) for one in found} == {("test", 5, 10)}
    assert shifts_of(found) == ["noise"]
    first = found[0]
    wrong = [record.predictions.flips.to_wrong for record in first.records]
    assert first.mean(lambda r: r.predictions.flips.to_wrong) == pytest.approx(np.mean(wrong))
    assert first.drop(None) == pytest.approx(np.mean(wrong) / 10)
    assert first.drop("noise") == pytest.approx(1.75 * np.mean(wrong) / 10, rel=0.1)
    assert first.drop("fog") is None
    assert first.worst == ("cat", pytest.approx(-np.mean(wrong) / 5))
    assert first.mean(lambda r: None) is None


def test_files_without_a_run_stand_by_what_their_records_say():
    copy = replace(RECORD, method=None, pruned=File("half.safetensors", "2" * 4))
    found = behaved(only_group([RECORD, copy]))
    assert [(one.method, one.name) for one in found] == [
        ("lowest (layer)", "lowest (layer) at 0.5"),
        ("half.safetensors", "half.safetensors at 0.5"),
    ]


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ({0.1: 0.2, 0.5: 0.5, 0.8: 3.0}, 0.5),
        ({0.1: 0.2, 0.5: 0.6, 0.8: 0.1}, 0.1),
        ({0.1: 9.0}, 0.0),
        ({0.1: -1.0, 0.5: -2.0}, 0.5),
        ({}, None),
    ],
)
def test_prune_potentials(make_grid, lacking, expected):
    (like, *_) = make_grid(seeds=(0,), epochs=0, sparsities=(0.5,))
    records = [
        behaviour_record(
            replace(like, sparsity=replace(like.sparsity, requested=s), pruned=File("p", str(s))), 10 * lack
        )
        for s, lack in lacking.items()
    ]
    found = behaved(only_group(records)) if records else ()
    assert potential(found, "lowest (layer)", None) == expected
    assert potential(found, "lowest (layer)", "noise") is None


def test_measures_are_ranked_against_every_number(group):
    agreements = seen(group)
    assert {a.over for a in agreements} == {"all", "same sparsity"}
    key = ScoreKey(KIND, "test", "images that turn wrong")
    ap2 = next(m for m in group.measures if m.label == "AP2")
    (found,) = (a for a in agreements if (a.over, a.measure, a.target.key) == ("all", ap2, key))
    taus = []
    for network in found.networks:
        trials = [t for run in group.runs for t in run.trials if t.network == network]
        taus.append(stats.kendalltau([t.final(ap2.key) for t in trials], [t.final(key) for t in trials]).statistic)
    assert found.taus == pytest.approx(taus)
    assert found.interval is not None, "five dense networks"
    targets = {one.target.label for one in rankings_of(agreements)}
    assert targets <= {a.target.label for a in agreements}
    assert seen(replace(group, behaviours=())) == ()

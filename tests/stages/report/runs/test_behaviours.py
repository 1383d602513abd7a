"""Numbers of behaviour as values of trials."""

from dataclasses import replace

import pytest
from behaviours import behaviour_record, behaviours_of
from studies import bound_record

from apcli.records.bound import Constant
from apcli.records.pair import File
from apcli.stages.report.runs.behaviours import KIND, by_file, drop, quantities_of, values_of
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.runs.quantities import ScoreKey


@pytest.fixture
def grid(make_grid):
    return make_grid(seeds=(0,), epochs=0, sparsities=(0.5,))


def test_the_numbers_of_a_file(grid):
    record = behaviour_record(grid[0], 40, cka=0.5)
    (values,) = values_of([record]).values()
    found = {key.what: value for key, value in values.items()}
    assert {(key.kind, key.split) for key in values} == {(KIND, "test")}
    expected = {
        "images that turn wrong": 4.0,
        "images that turn right": 0.0,
        "disagreement": 4.0,
        "largest loss of a class": 8.0,
        "rise of the ECE": 0.0,
        "loss of margin": 0.5,
        "1 − mean CKA of the layers": 0.25,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    bare = replace(record, calibration=None, features=None)
    assert not {key.what for key in values_of([bare])[record.pruned.sha256]} & {"loss of margin", "rise of the ECE"}


def test_shifts_count_beyond_what_is_lost_without_them(grid):
    own = behaviour_record(grid[0], 40)
    shifted = [behaviour_record(grid[0], wrong, shift="noise", severity=s) for s, wrong in ((1, 60), (2, 120))]
    (values,) = values_of([own, *shifted]).values()
    assert values[ScoreKey(KIND, "test", "further loss of accuracy by noise")] == pytest.approx((6 + 12) / 2 - 4)
    assert drop(own) == pytest.approx(4)
    (splits,) = by_file([*shifted, own]).values()
    assert splits["test"] == (own, {"noise": shifted})
    alone = by_file(shifted)[own.pruned.sha256]["test"]
    assert alone == (None, {"noise": shifted})
    assert values_of(shifted) == {own.pruned.sha256: {}}


def test_quantities_are_those_that_are_known_and_splits_are_named_if_there_are_several(grid):
    record = behaviour_record(grid[0], 40)
    labels = [one.label for one in quantities_of([record], [])]
    assert labels[0] == "images that turn wrong"
    assert len(labels) == 9
    train = replace(record, evaluated={**record.evaluated, "split": "train"})
    assert "disagreement, train" in [one.label for one in quantities_of([record, train], [])]
    assert quantities_of([], []) == ()


def test_sharpness_is_that_of_a_bound_about_the_pruned_file_itself(grid):
    same = grid[0].pruned
    constants = (Constant("eps", 0.1), Constant("largest eigenvalue", 7.5))
    bound = replace(bound_record(theory="limit", constants=constants), dense=same, pruned=same)
    values = values_of([], [bound, replace(bound, dense=File("dense", "0"))])
    assert values == {same.sha256: {ScoreKey(KIND, "", "sharpness"): 7.5}}
    assert "sharpness" in [one.label for one in quantities_of([behaviour_record(grid[0], 1)], [bound])]


def test_trials_have_the_numbers_of_their_files(grid):
    report = build([*grid, *behaviours_of(grid)])
    (group,) = report.groups
    key = ScoreKey(KIND, "test", "images that turn wrong")
    for run in group.runs:
        for trial in run.trials:
            pd = trial.final(ScoreKey("pd", "test", "loss"))
            assert trial.final(key) == pytest.approx(100 * pd, abs=0.06)
    assert len(group.behaviours) == len(report.behaviours) == 3

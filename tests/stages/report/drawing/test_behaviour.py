"""Behaviour as figures draw it."""

from dataclasses import replace

import pytest
from behaviours import RECORD, behaviours_of
from studies import only_group

from apcli.stages.report.drawing.behaviour import plotted_behaviours
from apcli.stages.report.drawing.pictures import pictures
from apcli.stages.report.runs.experiment import build


def test_means_over_the_files_of_a_run(make_grid):
    records = make_grid(seeds=(0, 1), epochs=0, sparsities=(0.5,))
    made = behaviours_of(records)
    first, *_ = plotted_behaviours(only_group([*records, *made]))
    own = [r for r in made if r.method == "lowest"]
    assert (first.method, first.sparsity) == ("lowest (layer)", 0.5)
    mean = sum(-r.predictions.flips.to_wrong / 5 for r in own) / 2
    assert first.classes == {"cat": pytest.approx(mean), "4": 0.0}
    assert first.ece == first.scaled_ece == (0.125, 0.125)
    assert first.cka == {"conv1": 1.0, "fc": 0.9}
    assert first.pruned_maps == ((1.0, 0.25), (1.0, 0.25))


def test_what_is_not_known_is_none_and_one_split_is_drawn():
    bare = replace(RECORD, calibration=None, features=None)
    train = replace(bare, evaluated={**bare.evaluated, "split": "train"})
    (found,) = plotted_behaviours(only_group([bare, train]))
    assert (found.ece, found.scaled_ece, found.cka, found.dense_maps) == (None, None, {}, ())


def test_figures_are_drawn_without_a_run():
    made = pictures(build([RECORD]))
    assert [picture.row.name for picture in made.drawn] == ["class-changes", "calibration"]
    assert {one.row.section for one in made.missing} == {"behaviour"}

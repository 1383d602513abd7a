"""What pruning forgot, in words."""

from dataclasses import replace

from behaviours import EXEMPLARS, RECORD, behaviour_record, behaviours_of
from studies import only_group

from apcli.records.pair import File
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.behaviour import on_behaviour
from apcli.stages.report.runs.experiment import build


def test_of_files_near_the_dense_accuracy_the_one_that_flips_most_is_told(make_grid):
    (like, *_) = make_grid(seeds=(0,), epochs=0, sparsities=(0.5,))
    records = [
        replace(behaviour_record(like, wrong), method=method, pruned=File(method, method))
        for method, wrong in (("lowest", 4), ("lamp", 9), ("highest", 500))
    ]
    found = on_behaviour(only_group([*records, replace(EXEMPLARS, model=like.model, data=like.data)]))
    assert found.sentence == (
        "lamp (layer) at 0.5 is 0.9 points below the dense accuracy on test images: 0.9 % of the images turn wrong and "
        "0.0 % turn right. The class that loses most is cat (−1.8 points). Its calibration error is 0.125, the dense "
        "network’s 0.125. Of 5 pruned networks at sparsity 0.5, most get 1 image wrong that dense ones get right; 0.2 "
        "if they erred independently."
    )
    assert (found.number, found.anchor) == ("0.9 % turn wrong", "behaviour")
    assert found.sureness == "3 pruned files, 1,000 images at least; intervals stand in the records."


def test_otherwise_it_is_the_nearest_file():
    far = replace(RECORD, calibration=None, predictions=replace(RECORD.predictions, classes=()))
    found = on_behaviour(only_group([far]))
    assert found.sentence == (
        "lowest (layer) at 0.5 is 10.0 points below the dense accuracy on test images: 10.0 % of the images turn wrong "
        "and 0.0 % turn right."
    )


def test_the_divergence_that_orders_best_is_named(make_grid):
    records = make_grid(seeds=range(5), epochs=0, sparsities=(0.1, 0.3, 0.5))
    report = build([*records, *behaviours_of(records)])
    found = on_behaviour(report.groups[0])
    assert "A divergence orders best: " in found.sentence
    assert [one.anchor for one in answers(report, report.groups[0])] == ["accuracy", "cost", "order", "behaviour"]


def test_without_such_records_there_is_no_such_answer(small):
    assert on_behaviour(only_group(small)) is None

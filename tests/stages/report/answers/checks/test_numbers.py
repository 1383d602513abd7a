"""Checks of the numbers, where each passes and where it fails, with the reason."""

from dataclasses import replace

from studies import with_files

from apcli.records.divergence import Metrics
from apcli.stages.report.answers.checks import numbers
from apcli.stages.report.answers.checks.evidence import Evidence
from apcli.stages.report.runs.experiment import build


def evidence(records):
    report = build(records)
    return Evidence(report, report.groups[0])


def without(records, state, *methods):
    """The records without the metrics of a state, of some methods."""
    return [replace(r, metrics=replace(r.metrics, **{state: None})) if r.method in methods else r for r in records]


def test_costs(honest, small):
    assert numbers.costs(evidence(honest))[0]
    assert numbers.costs(evidence(small)) == (
        False,
        "compression is known for 0 of 6 runs, theoretical speed-up known for 0 of 6 runs",
    )
    assert numbers.costs(evidence(with_files(small)))[1].startswith("compression is known for 6 of 6 runs, ")


def test_five_best(small):
    assert numbers.five_best(evidence(small)) == (True, "both are in the records, on test images")
    one = [
        replace(r, metrics=replace(r.metrics, pruned=replace(r.metrics.pruned, test=replace(score, top5=None))))
        for r in small
        for score in [r.metrics.pruned.test]
    ]
    assert numbers.five_best(evidence(one)) == (False, "top-5 accuracy on test images is not known")
    none = [replace(r, metrics=Metrics()) for r in small]
    assert numbers.five_best(evidence(none)) == (False, "top-1 accuracy on test images is not known")


def test_raw_accuracy_and_test_images(small):
    assert numbers.raw_accuracy(evidence(small))[0]
    assert numbers.raw_accuracy(evidence(without(small, "dense", "random"))) == (
        False,
        "accuracy is known for 6 of 6 runs, that of the unpruned network known for 4 of 6 runs",
    )
    assert numbers.on_test_images(evidence(small)) == (True, "the test split of the data")
    assert numbers.on_test_images(evidence(with_files(small))) == (True, "10,000 test images")
    unmeasured = without(small, "pruned", "random", "highest")
    assert numbers.on_test_images(evidence(unmeasured)) == (False, "test accuracy is known for 2 of 6 runs")


def test_before_and_after(small, make_grid):
    assert numbers.before_and_after(evidence(small)) == (True, "of 6 runs")
    files = [replace(r, epoch=None) for r in small if r.epoch is None]
    partly = with_files(without(files, "before", "random"))
    assert numbers.before_and_after(evidence(partly)) == (False, "both are known for 4 of 6 runs")
    untuned = with_files(make_grid(seeds=(0,), epochs=0), tuned=None)
    assert numbers.before_and_after(evidence(untuned)) == (False, "no file was fine-tuned, as far as is known")


def test_operating_points(honest, small):
    passed, reason = numbers.operating_points(evidence(honest))
    assert (passed, reason[:35]) == (True, "5 sparsities or more of each method")
    assert numbers.operating_points(evidence(small)) == (
        False,
        "2 sparsities of lowest (layer): 10 % and 50 %; 5 are usual",
    )
    flat = [replace(r, metrics=replace(r.metrics, pruned=r.metrics.dense)) for r in honest if r.kind == "divergence"]
    assert numbers.operating_points(evidence(flat)) == (
        False,
        "accuracy falls by less than 1 percentage point: the range ends too early",
    )
    chance = [r for r in small if r.method == "random"]
    assert numbers.operating_points(evidence(chance)) == (False, "no method other than at random is known")


def test_evaluated(honest, small):
    assert numbers.evaluated(evidence(honest))[0]
    assert numbers.evaluated(evidence(small)) == (False, "not evaluated: multiply-adds and latency")
    pooled = [r for r in small if r.layer == "*" and r.epoch is None]
    assert numbers.evaluated(evidence(pooled)) == (
        False,
        "not evaluated: multiply-adds, latency, layers by themselves and epochs of fine-tuning",
    )

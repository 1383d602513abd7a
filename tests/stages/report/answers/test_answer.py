"""Answers: the numbers in them are those of the records."""

import statistics

from studies import variant

from apcli.records.divergence import PerformanceDifference
from apcli.stages.report.answers.answer import answers
from apcli.stages.report.runs.experiment import build


def test_the_accuracies_at_the_highest_sparsity(small):
    report = build(small)
    accuracy = answers(report, report.groups[0])[0]
    means = {}
    for r in small:
        if r.sparsity.requested == 0.5 and r.epoch is None and r.dist == "ap2" and r.layer == "*":
            means.setdefault(r.method, []).append(r.metrics.pruned.test.accuracy)
    best = max(means, key=lambda method: statistics.fmean(means[method]))
    assert accuracy.number == f"{statistics.fmean(means[best]):.1f} %"
    assert accuracy.sentence.startswith(f"At 50 %, {best} (layer) keeps {accuracy.number[:-2]} of 91.3 %, ")
    assert all(f"{method} (layer)" in accuracy.sentence for method in means)
    assert (accuracy.anchor, accuracy.sureness) == ("accuracy", "each a mean of 2 files or more")


def test_the_divergence_that_orders_the_runs_best(small):
    report = build(small)
    prediction = answers(report, report.groups[0])[1]
    assert prediction.number.startswith("τ 0.")
    assert "of 30 pairs agree" in prediction.sentence
    assert prediction.sureness == "no interval: too few dense networks"


def test_what_is_not_known_is_not_answered(make_grid):
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.5,)), "ap2", pd=PerformanceDifference())
    report = build(records)
    assert [answer.anchor for answer in answers(report, report.groups[0])] == ["accuracy"]
    one = build([r for r in records if r.method == "lowest"])
    assert answers(one, one.groups[0]) == ()

"""Whether a divergence predicts the loss: the words follow the statistics, with and without intervals."""

from dataclasses import replace

import pytest
from studies import only_group, variant

from apcli.records.divergence import Difference, Metrics, PerformanceDifference
from apcli.stages.report.answers.prediction import on_prediction
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs.quantities import PD_LOSS
from apcli.stages.report.words import bracketed, signed

ALL = "AP2, AP3 gaussian and AP3 student-t"


def with_values(records, value):
    return [replace(r, value=value(r)) for r in records]


def agreement(group, moment, over="all"):
    return next(
        a for a in comparisons_of(group).agreements if (a.target, a.moment, a.over) == (PD_LOSS[0], moment, over)
    )


def test_a_small_study_in_words(small):
    group = only_group(small)
    answer = on_prediction(group)
    tau = signed(agreement(group, "just pruned").tau)
    assert answer.number == f"τ {tau}"
    assert answer.sentence == (
        f"Right after pruning, closely: {ALL} agree with the loss difference on test images (PD), rank agreement "
        f"(Kendall’s τ) {tau} among 6 runs, at one sparsity 1.00. After fine-tuning, closely: {ALL}, τ "
        f"{signed(agreement(group, 'final').tau)}, at one sparsity 1.00. Through fine-tuning (over the epochs of one "
        f"pruned network), {ALL} follow it, mean τ 1.00."
    )
    assert answer.sureness == (
        "No interval: 2 dense networks, and it needs 5. Through fine-tuning: 12 pruned networks at 3 epochs, from 0 "
        "on. Of 3 runs at one sparsity, one random order in 6 agrees fully."
    )


def test_five_networks_have_intervals(make_grid):
    group = only_group(make_grid(seeds=(0, 1, 2, 3, 4), epochs=2, sparsities=(0.1, 0.3)))
    answer = on_prediction(group)
    overall = agreement(group, "just pruned")
    assert f"{signed(overall.tau)} {bracketed(overall.interval)} among 6 runs" in answer.sentence
    assert answer.sureness.startswith("95 % intervals, from 5 dense networks resampled with all of their runs.")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda r: r.pd.test.loss, "closely: AP2 agrees "),
        (lambda r: -r.pd.test.loss, "the other way round: AP2 agrees "),
        (lambda r: {"lowest": 2, "random": 3, "highest": 1}[r.method], "the other way round: AP2 agrees "),
        (lambda r: {"lowest": 1, "random": 3, "highest": 2}[r.method], "loosely: AP2 agrees "),
    ],
)
def test_grades(make_grid, value, words):
    harm = {"lowest": 1.0, "random": 2.0, "highest": 3.0}
    grid = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)), "ap2")
    records = [replace(r, pd=PerformanceDifference(*[Difference(harm[r.method], 1.0)] * 2)) for r in grid]
    assert words in on_prediction(only_group(with_values(records, value))).sentence


def test_a_measure_that_grows_while_pd_falls_runs_against_it(small):
    grows = [replace(r, value=1 + (r.epoch or 0)) if r.dist == "ap2" else r for r in small]
    sentence = on_prediction(only_group(grows)).sentence
    assert "), AP3 gaussian and AP3 student-t follow it, mean τ 1.00; AP2 runs against it, −1.00." in sentence
    alone = on_prediction(only_group(variant(grows, "ap2")))
    assert alone.sentence == (
        "Through fine-tuning (over the epochs of one pruned network), none follows the loss difference on test images "
        "(PD): AP2 runs against the loss difference on test images (PD), mean rank agreement (Kendall’s τ) −1.00."
    ), "just pruned, and at the end, it is the same for all"
    assert (alone.number, alone.sureness[:32]) == ("τ −1.00", "No interval: 2 dense networks, a")
    both = [replace(r, value=1 + (r.epoch or 0)) if r.method == "lowest" else r for r in variant(small, "ap2")]
    neither = on_prediction(only_group([r for r in both if r.method != "highest"])).sentence
    assert "), none follows it: AP2 goes neither way, mean τ 0.00 (single ones −1.00 to 1.00)." in neither


def test_measures_that_differ_are_told_apart_or_not(make_grid):
    def sentence(value, seeds=(0, 1, 2, 3, 4)):
        grid = make_grid(seeds=seeds, epochs=0)
        return on_prediction(
            only_group([*variant(grid, "ap2"), *with_values(variant(grid, "gaussian"), value)])
        ).sentence

    assert "; lower: AP3 gaussian, −" in sentence(lambda r: -r.value)
    now_and_then = sentence(lambda r: r.value * (5 if (r.method, r.seed) == ("lowest", 0) else 1))
    assert "; not distinguishable from it: AP3 gaussian, 0." in now_and_then
    assert "; then AP3 gaussian, −0." in sentence(lambda r: -r.value, seeds=(0,)), "too few dense networks"


def test_many_measures_stay_short(twelve_measures):
    answer = on_prediction(only_group(twelve_measures))
    assert " and 8 others, −0." in answer.sentence
    assert len(answer.sentence) < 400


def test_training_images_where_test_images_are_not_known(small):
    trained = [replace(r, pd=replace(r.pd, test=None)) for r in small]
    assert "with the loss difference on training images (PD)" in on_prediction(only_group(trained)).sentence


def test_what_cannot_be_compared(small):
    def told(records):
        answer = on_prediction(only_group(records))
        assert answer.number == "–"
        return answer.sentence, answer.sureness

    one = [r for r in small if (r.method, r.sparsity.requested, r.epoch) == ("lowest", 0.1, None)]
    assert told(one)[0] == "Not known: there is one run, and an order needs two."
    sentence, remedy = told([replace(r, pd=PerformanceDifference(), metrics=Metrics()) for r in small])
    assert (sentence, "finetune --epochs 0" in remedy) == (
        "Not known: no loss difference (PD) is recorded for these files.",
        True,
    )
    assert "no dense network has two runs" in told(with_values(small, lambda r: 1.0))[0]

"""Whether a divergence predicts the loss: the words follow the statistics, with and without intervals."""

from dataclasses import replace

import pytest
from studies import improving, only_group, variant

from apcli.records.divergence import Difference, Metrics, PerformanceDifference
from apcli.stages.report.answers.prediction import on_prediction
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs.quantities import PD_LOSS
from apcli.stages.report.words import bracketed, signed

ALIKE = "AP2, AP3 gaussian and AP3 student-t order runs alike by construction; AP2 is named for them."


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
        f"By rank agreement (Kendall’s τ) with the loss difference on test images (PD): closely right after pruning, "
        f"{tau} (AP2); closely after fine-tuning, {signed(agreement(group, 'final').tau)} (AP2); closely over the "
        "epochs of one pruned network, 1.00 (AP2). Right after pruning: among 6 runs; the best at one sparsity, 12 of "
        "12 pairs. "
        "Agreement over all runs comes partly from sparsity: at 50 % alone, pairs in the same order: AP2 6 of 6 (half "
        "by chance). "
        f"After fine-tuning: among 6 runs; the best at one sparsity, 12 of 12 pairs. {ALIKE}"
    )
    assert answer.sureness == (
        "No interval: 2 dense networks, and it needs 5. Through fine-tuning: 12 pruned networks at 3 epochs, from 0 "
        "on. Of 3 runs at one sparsity, one random order in 6 agrees fully."
    )


def test_five_networks_have_intervals(make_grid):
    group = only_group(make_grid(seeds=(0, 1, 2, 3, 4), epochs=2, sparsities=(0.1, 0.3)))
    answer = on_prediction(group)
    overall = agreement(group, "just pruned")
    assert f"right after pruning, {signed(overall.tau)} {bracketed(overall.interval)} (AP2)" in answer.sentence
    assert answer.sureness.startswith("95 % intervals, from 5 dense networks resampled with all of their runs.")


def test_runs_that_improved_are_counted(small):
    sentence = on_prediction(only_group(improving(small))).sentence
    assert (
        " PD has no sign and counts runs that improved as loss (2 of 6 after fine-tuning): in the evidence, τ with the "
        "signed change of loss stands beside it." in sentence
    )
    assert "improved" not in on_prediction(only_group(improving(small, "none"))).sentence


def test_an_interval_without_width_is_that_all_networks_agree(make_grid):
    records = five_runs(make_grid, *[(1, 2, 3, 4, 5)] * 5)
    assert "closely in the files as they stand, 1.00, the same in all 5 networks (AP2)" in (
        on_prediction(only_group(records)).sentence
    )


MIXED = "not consistent between networks"


def five_runs(make_grid, *ranks):
    """AP2 of five runs whose PD grows from run to run, by the rank of its value; a list for each dense network."""
    shares = (0.1, 0.2, 0.3, 0.4, 0.5)
    grid = variant(make_grid(seeds=tuple(range(len(ranks))), epochs=0, sparsities=shares), "ap2")
    place = {share: index for index, share in enumerate(shares)}
    return [
        replace(
            r,
            value=float(ranks[r.seed][place[r.sparsity.requested]]),
            pd=PerformanceDifference(*[Difference(1.0 + place[r.sparsity.requested], 1.0)] * 2),
        )
        for r in grid
        if r.method == "lowest"
    ]


@pytest.mark.parametrize(
    ("ranks", "words"),
    [
        ([(1, 2, 3, 4, 5)], "closely"),
        ([(5, 4, 3, 2, 1)], "the other way round"),
        ([(1, 3, 2, 5, 4)], "loosely"),
        ([(3, 2, 1, 5, 4)], "hardly"),
        ([(1, 2, 3, 4, 5), (5, 4, 3, 1, 2)], MIXED),
        ([(1, 2, 3, 4, 5)] * 9 + [(5, 4, 3, 2, 1)], MIXED),
        ([(5, 4, 3, 2, 1)] * 9 + [(1, 2, 3, 4, 5)], MIXED),
    ],
)
def test_grades(make_grid, ranks, words):
    sentence = on_prediction(only_group(five_runs(make_grid, *ranks))).sentence
    assert f" (PD): {words} in the files as they stand, " in sentence


def test_few_runs_are_too_few_to_say(make_grid, small):
    records = five_runs(make_grid, (1, 2, 3, 4, 5), (5, 4, 3, 2, 1))
    assert on_prediction(only_group(records)).number == "τ 0.00"
    answer = on_prediction(only_group([r for r in records if r.sparsity.requested < 0.5]))
    assert answer.number == "–"
    assert answer.sentence == (
        "By rank agreement (Kendall’s τ) with the loss difference on test images (PD): too few runs to say in the "
        "files as they stand. In the files as they stand, pairs of runs in the order of PD: AP2 6 of 12."
    )
    assert answer.sureness.startswith("It takes 5 runs of one dense network (10 pairs) to say. No interval: 2 dense ")
    two = [r for r in small if r.method != "random" and r.sparsity.requested == 0.5]
    tuned = on_prediction(only_group(two))
    assert tuned.number == "–"
    assert "; too few runs to say after fine-tuning; closely over the epochs of one pruned network, 1.00 (AP2). " in (
        tuned.sentence
    )
    assert " After fine-tuning, pairs of runs in the order of PD: AP2 2 of 2. " in tuned.sentence


def test_a_measure_that_grows_while_pd_falls_runs_against_it(small):
    grows = [replace(r, value=1 + (r.epoch or 0)) if r.dist == "ap2" else r for r in small]
    sentence = on_prediction(only_group(grows)).sentence
    assert "; closely over the epochs of one pruned network, 1.00 (AP3 gaussian). " in sentence
    assert " Over the epochs of one pruned network, too: AP2 the other way round, −1.00. " in sentence
    alone = on_prediction(only_group(variant(grows, "ap2")))
    assert alone.sentence == (
        "By rank agreement (Kendall’s τ) with the loss difference on test images (PD): the other way round over the "
        "epochs of one pruned network, −1.00 (AP2)."
    ), "just pruned, and at the end, it is the same for all"
    assert (alone.number, alone.sureness[:32]) == ("τ −1.00", "No interval: 2 dense networks, a")
    both = [replace(r, value=1 + (r.epoch or 0)) if r.method == "lowest" else r for r in variant(small, "ap2")]
    neither = on_prediction(only_group([r for r in both if r.method != "highest"])).sentence
    assert "; neither way over the epochs of one pruned network, 0.00 (single ones −1.00 to 1.00) (AP2)." in neither


def test_measures_that_differ_are_told_apart_or_not(make_grid):
    def sentence(value, seeds=(0, 1, 2, 3, 4)):
        grid = make_grid(seeds=seeds, epochs=0)
        return on_prediction(
            only_group([*variant(grid, "ap2"), *with_values(variant(grid, "gaussian"), value)])
        ).sentence

    assert "; lower: AP3 gaussian, −" in sentence(lambda r: -r.value)
    now_and_then = sentence(lambda r: r.value * (5 if (r.method, r.seed) == ("lowest", 0) else 1))
    assert "; not distinguishable from the best: AP3 gaussian, 0." in now_and_then
    assert "; then AP3 gaussian, −0." in sentence(lambda r: -r.value, seeds=(0,)), "too few dense networks"


def test_many_measures_stay_short(twelve_measures):
    answer = on_prediction(only_group(twelve_measures))
    assert " and 6 other measures, −0." in answer.sentence
    assert len(answer.sentence) < 750


def test_training_images_where_test_images_are_not_known(small):
    trained = [replace(r, pd=replace(r.pd, test=None)) for r in small]
    assert "with the loss difference on training images (PD): closely" in on_prediction(only_group(trained)).sentence


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

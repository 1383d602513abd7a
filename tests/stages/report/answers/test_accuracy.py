"""Which method keeps the accuracy: the numbers are those of the records, and the words those of the statistics."""

import statistics
from dataclasses import replace

import pytest
from scipy import stats
from studies import only_group, with_files

from apcli.records.divergence import Metrics
from apcli.stages.report.answers.accuracy import on_accuracy
from apcli.stages.report.answers.contests import contests

LOWEST = "which removes the weights of lowest magnitude,"


def accuracies(records, sparsity):
    """Final test accuracies by method, in the order of the dense networks."""
    found = {}
    for r in records:
        if (r.sparsity.requested, r.epoch, r.dist, r.layer) == (sparsity, None, "ap2", "*"):
            found.setdefault(r.method, []).append(r.metrics.pruned.test.accuracy)
    return found


def set_accuracies(records, of):
    """The records, with the final test accuracy that ``of`` gives for a record; None: as it is."""
    made = []
    for r in records:
        value = of(r)
        score = replace(r.metrics.pruned.test, accuracy=value) if value is not None else r.metrics.pruned.test
        made.append(replace(r, metrics=replace(r.metrics, pruned=replace(r.metrics.pruned, test=score))))
    return made


def test_the_best_at_the_highest_sparsity(small):
    answer = on_accuracy(only_group(small))
    found = {method: statistics.fmean(values) for method, values in accuracies(small, 0.5).items()}
    assert answer.number == f"{found['lowest']:.1f} %"
    assert answer.sentence == (
        f"At 50 % sparsity, lowest (layer), {LOWEST} keeps {found['lowest']:.1f} of 91.3 % test accuracy after "
        f"fine-tuning. Behind it: random (layer) {found['random']:.1f} % and highest (layer) {found['highest']:.1f} %. "
        "At 10 % it has the highest mean."
    )
    assert answer.sureness == "Mean of 2 dense networks, too few to tell methods apart."


def test_what_is_sure_and_what_is_not(make_grid):
    grid = make_grid(seeds=(0, 1, 2, 3, 4), epochs=0, sparsities=(0.1,))
    base = {"lowest": 90.0, "random": 89.0, "highest": 70.0}
    wobble = {"lowest": 0.1, "random": 2.0, "highest": -0.3}
    records = set_accuracies(grid, lambda r: base[r.method] + wobble[r.method] * (-1) ** r.seed)
    answer = on_accuracy(only_group(records))
    assert "Behind it: random (layer) 89.4 % (not distinguishable) and highest (layer) 69.9 %." in answer.sentence
    (nearest, _) = only_contest(records).rivals
    found = accuracies(records, 0.1)
    test = stats.ttest_rel(found["lowest"], found["random"])
    low, high = test.confidence_interval()
    assert (nearest.lead, nearest.interval) == (pytest.approx(0.62), pytest.approx((low, high)))
    assert f"random (layer) (0.6 points ahead [{low:.1f}, {high:.1f}], p = ".replace("-", "−") in answer.sureness
    assert "better than highest (layer) (20.1 points ahead [" in answer.sureness
    assert "adjusted for 3 comparisons (Holm)" in answer.sureness
    assert "Without the adjustment, 5 pairs find a difference from about " in answer.sureness


def only_contest(records):
    (contest,) = contests(only_group(records))
    return contest


@pytest.mark.parametrize("names", [("lowest", "highest"), ("highest", "lowest")])
def test_a_lead_has_one_sign_whoever_comes_first(make_grid, names):
    ordered = sorted(make_grid(seeds=(0, 1, 2), epochs=0, sparsities=(0.1,)), key=lambda r: r.method != names[0])
    kept = [r for r in ordered if r.method in names]
    records = set_accuracies(kept, lambda r: 90.0 + 0.1 * r.seed**2 if r.method == "lowest" else 70.0)
    (rival,) = only_contest(records).rivals
    assert (rival.run.trials[0].method, rival.verdict) == ("highest", "better")
    assert rival.lead == pytest.approx(20 + 0.5 / 3)
    assert rival.interval[0] < rival.lead < rival.interval[1]


def test_another_best_at_another_sparsity(small):
    swapped = set_accuracies(small, lambda r: 99.0 if (r.method, r.sparsity.requested) == ("random", 0.1) else None)
    assert on_accuracy(only_group(swapped)).sentence.endswith(" At 10 % random (layer) has the highest mean.")


def test_one_network_and_one_seed_have_no_interval(small):
    one = on_accuracy(only_group([r for r in small if r.seed == 0]))
    assert one.sureness == "One dense network, one seed: no interval, and differences cannot be told from chance."
    alone = on_accuracy(
        only_group([r for r in small if (r.seed, r.method, r.sparsity.requested) == (0, "lowest", 0.5)])
    )
    assert alone.sureness == "One dense network, one seed: no interval."
    assert "Behind" not in alone.sentence


def test_seeds_of_one_network_are_named_so(make_grid):
    grid = make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))
    again = [replace(r, mask_seed=seed, pruned=replace(r.pruned, sha256=f"{seed}{r.pruned.sha256[1:]}"))
             for r in grid for seed in (1, 2)]  # fmt: skip
    assert on_accuracy(only_group(again)).sureness.startswith("Mean of 2 seeds of one dense network, too few ")


def test_methods_of_other_networks_are_not_compared(make_grid):
    grid = make_grid(seeds=(0, 1, 2, 3), epochs=0, sparsities=(0.1,))
    apart = [r for r in grid if (r.method == "lowest") == (r.seed < 2)]
    assert on_accuracy(only_group(apart)).sureness == (
        "Mean of 2 dense networks. Not compared, because of other dense networks or seeds: random (layer) and highest "
        "(layer)."
    )


def test_the_sparsity_where_methods_meet(small):
    further = [r for r in small if r.method == "lowest" or r.sparsity.requested == 0.1]
    assert on_accuracy(only_group(further)).sentence.startswith("At 10 % sparsity, lowest (layer), ")


def test_without_fine_tuning_and_without_accuracy(make_grid):
    untuned = make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))
    assert "% test accuracy. Behind it" in on_accuracy(only_group(untuned)).sentence
    unknown = on_accuracy(only_group([replace(r, metrics=Metrics()) for r in untuned]))
    assert (unknown.number, unknown.sentence[:9]) == ("–", "Not known")
    assert "apcli finetune --epochs 0" in unknown.sureness


def test_sparsities_without_a_rival_have_their_accuracy(small):
    alone = on_accuracy(only_group([r for r in small if r.method == "lowest"]))
    assert alone.sentence.startswith(f"At 50 % sparsity, lowest (layer), {LOWEST} keeps 91.3 of 91.3 % test accuracy")
    assert alone.sentence.endswith(" after fine-tuning. At 10 % it has 91.5 %.")


def test_the_last_layer_alone_is_another_study(small):
    whole = [replace(r, layer="conv" if r.layer == "fc" else r.layer) for r in small]
    both = [*small, *(replace(r, layer=layer, pruned=replace(r.pruned, sha256=r.pruned.sha256[::-1]))
                      for r in whole for layer in {r.layer, "fc" if r.layer != "*" else "*"})]  # fmt: skip
    sentence = on_accuracy(only_group(both)).sentence
    assert sentence.startswith("At 50 % sparsity, lowest (layer, 2 layers), which ")
    assert sentence.endswith(" Where fc alone was pruned, at 50 % lowest (layer, fc) (91.3 %) has the highest mean.")
    assert sentence.count("2 layers") == 3, "each method, in the network"


def test_many_rivals_are_counted(make_grid):
    grid = make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))
    many = [replace(r, method=f"m{i}", pruned=replace(r.pruned, sha256=f"{i}{r.pruned.sha256[1:]}"))
            for r in grid if r.method == "lowest" for i in range(9)]  # fmt: skip
    assert " and 5 others." in on_accuracy(only_group(many)).sentence


def test_a_pruned_network_that_is_better_than_the_dense_one(small):
    better = only_group(set_accuracies(small, lambda r: 99.0 if r.method == "lowest" else None))
    sentence = on_accuracy(better).sentence
    assert f"{LOWEST} has 99.0 % test accuracy after fine-tuning, the dense networks 91.3 %." in sentence


def test_an_interval_of_accuracies_stays_within_them(make_grid):
    grid = make_grid(seeds=(0, 1, 2), epochs=0, sparsities=(0.1,))
    high = set_accuracies(grid, lambda r: (99.0, 99.9, 90.0)[r.seed] if r.method == "lowest" else 10.0)
    low, top = stats.t.interval(0.95, 2, statistics.fmean([99.0, 99.9, 90.0]), stats.sem([99.0, 99.9, 90.0]))
    assert top > 100
    assert f"95 % interval [{low:.1f}, 100.0]" in on_accuracy(only_group(high)).sureness
    near_none = set_accuracies(grid, lambda r: (1.0, 0.1, 9.0)[r.seed])
    assert "95 % interval [0.0, " in on_accuracy(only_group(near_none)).sureness


def test_methods_at_chance_level_are_said_to_be(small):
    def sentence(**means):
        return on_accuracy(only_group(with_files(set_accuracies(small, lambda r: means[r.method])))).sentence

    all_at_chance = sentence(lowest=12.0, random=10.0, highest=9.0)
    assert "All are at chance level (10 %): their order is noise." in all_at_chance
    assert all_at_chance.endswith("At 10 % it is no better than chance (10 %), as are the others.")
    two = sentence(lowest=80.0, random=10.0, highest=9.0)
    assert "random (layer) and highest (layer) are at chance level (10 %): their order is noise." in two
    assert "highest (layer) is at chance level (10 %)." in sentence(lowest=80.0, random=70.0, highest=9.0)
    assert "chance" not in sentence(lowest=80.0, random=70.0, highest=60.0)


def test_filters_say_what_was_asked_for(small):
    channels = [replace(r, scope="filter", sparsity=replace(r.sparsity, actual=1.5 * r.sparsity.requested))
                for r in small]  # fmt: skip
    sentence = on_accuracy(only_group(channels)).sentence
    assert sentence.startswith("At 75 % of weights, 50 % of channels, lowest (filter)")
    assert sentence.endswith(" At 15 % of weights, 10 % of channels it has the highest mean.")


def test_no_method_leads_that_cannot_be_told_apart(make_grid):
    grid = make_grid(seeds=(0, 1, 2), epochs=0, sparsities=(0.1, 0.5))
    wobble = {"lowest": 0.1, "random": 2.0, "highest": -0.3}
    sentence = on_accuracy(only_group(set_accuracies(grid, lambda r: 80 + wobble[r.method] * (-1) ** r.seed))).sentence
    assert " has the highest mean, not distinguishable from " in sentence

"""Contests: who is compared with whom."""

from dataclasses import replace

from studies import only_group

from apcli.stages.report.answers.contests import asked, contests


def told(records):
    return [(held.sparsity, held.best.method, [rival.run.method for rival in held.rivals])
            for held in contests(only_group(records))]  # fmt: skip


def test_the_highest_sparsity_is_first_and_the_nearest_rival(small):
    methods = ("lowest (layer)", ["random (layer)", "highest (layer)"])
    assert told(small) == [(0.5, *methods), (0.1, *methods)]


def test_a_sparsity_of_one_run_is_left_out_unless_all_are_so(small):
    met = [r for r in small if r.method == "lowest" or r.sparsity.requested == 0.1]
    assert [sparsity for sparsity, *_ in told(met)] == [0.1]
    alone = [r for r in small if r.method == "lowest"]
    assert told(alone) == [(s, "lowest (layer)", []) for s in (0.5, 0.1)]
    unknown = [replace(r, sparsity=replace(r.sparsity, requested=None, actual=None)) for r in alone]
    assert [sparsity for sparsity, *_ in told(unknown)] == [None]


def test_parts_of_the_network_are_apart(small):
    whole = [replace(r, layer=layer, pruned=replace(r.pruned, sha256=r.pruned.sha256[::-1]))
             for r in small for layer in (["conv", "fc", "bn"] if r.layer == "fc" else ["*"])]  # fmt: skip
    parts = [held.layers for held in contests(only_group([*small, *whole]))]
    assert [len(layers) for layers in parts] == [3, 3, 1, 1]
    most = [r for r in whole if r.method == "lowest" or r.layer != "bn"]
    assert [len(held.rivals) for held in contests(only_group(most))] == [2, 2], "two of three layers are alike"


def test_without_accuracy_there_is_none(small):
    assert contests(only_group([replace(r, metrics=replace(r.metrics, pruned=None)) for r in small])) == []


def test_where_a_run_stands_beside_what_was_asked_for(small):
    half = only_group(small).runs[1]
    assert asked(half) == "50 % sparsity"
    assert asked(replace(half, sparsity=0.75)) == "75 % of weights, 50 % asked for"
    channels = tuple(replace(trial, scope="filter") for trial in half.trials)
    assert asked(replace(half, sparsity=0.75, trials=channels)) == "75 % of weights, 50 % of channels"
    assert asked(replace(half, trials=channels)) == "50 % sparsity"

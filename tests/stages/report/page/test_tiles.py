"""Tiles: the size of an experiment and its main numbers, against the records."""

import statistics
from dataclasses import replace

from studies import only_group

from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.page.tiles import facts, tiles


def test_facts_count_what_there_is(small):
    assert facts(only_group(small)) == (
        "6 runs · 3 methods · 2 sparsities · 2 seeds · 2 epochs of fine-tuning · compared: fc"
    )


def test_many_layers_are_counted(make_grid):
    records = [r for r in make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)) if r.layer == "fc"]
    many = [replace(r, layer=f"conv{i}") for r in records for i in range(5)]
    assert facts(only_group(many)).endswith("compared: conv0, conv1, conv2 and 2 more")


def test_a_tile_for_each_of_few_measures_and_the_accuracies(small):
    group = only_group(small)
    agreements = agreements_of(group)
    shown = tiles(group, agreements)
    assert [tile.name for tile in shown] == [
        *(f"{measure.label} after fine-tuning" for measure in group.measures),
        *("Dense network", "Pruned networks"),
    ]
    overall = next(a for a in agreements if a.over == "all")
    assert shown[0].big == f"τ {overall.tau:.2f}"
    assert shown[0].small.startswith(f"{overall.agree} of 30 pairs in the order of PD (test loss); ")
    dense = statistics.fmean({r.dense.sha256: r.metrics.dense.test.accuracy for r in small}.values())
    assert shown[-2].big == f"{dense:.2f} %"
    means = [run.accuracy("pruned").mean for run in group.runs]
    assert shown[-1].big == f"{min(means):.1f} – {max(means):.1f} %"


def test_of_many_measures_the_best_and_ap2_have_a_tile(twelve_measures):
    group = only_group(twelve_measures)
    agreements = agreements_of(group)
    best, ap2, *_ = tiles(group, agreements)
    overall = [a for a in agreements if a.over == "all"]
    assert best.name.endswith(f"the best of {len({a.measure for a in overall})}")
    assert best.big == f"τ {max(a.tau for a in overall if a.target == agreements[0].target):.2f}"
    assert ap2.name.startswith("AP2 ")

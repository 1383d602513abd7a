"""Layers of runs, and layers that were pruned alone."""

from dataclasses import replace

import pytest
from studies import only_group, variant

from apcli.records.pair import File, LayerSparsity
from apcli.stages.report.drawing.layers import layers_of, pruned_each, single_layers_of

LAYERS = {"conv1": 1.0, "conv2": 2.0, "fc": 5.0}


def with_layers(grid):
    """The records with three layers in place of one."""
    pooled = [r for r in grid if r.layer == "*"]
    fc = [r for r in grid if r.layer == "fc"]
    return pooled + [replace(r, layer=layer, value=r.value * s) for layer, s in LAYERS.items() for r in fc]


def each(grid, layers=LAYERS):
    """As if each layer had been pruned alone: the harm is that of the layer."""
    made = []
    for number, layer in enumerate(layers):
        for r in grid:
            pd = replace(r.pd, test=replace(r.pd.test, loss=LAYERS[layer]))
            pruned = File(f"{number}{r.pruned.path}", f"{number}{r.pruned.sha256[1:]}")
            made += [replace(r, layer=layer, pruned=pruned, pd=pd)] if r.layer == "fc" else []
    return made


@pytest.fixture
def grid(make_grid):
    return variant(make_grid(seeds=(0, 1), epochs=0, sparsities=(0.5,)), "ap2")


def test_each_layer_has_the_means_of_its_run(grid):
    group = only_group(with_layers(grid))
    values = layers_of(group)
    assert len(values) == 3 * 3
    first = next(v for v in values if (v.method, v.layer) == ("lowest (layer)", "fc"))
    own = [r.value for r in grid if (r.method, r.layer) == ("lowest", "fc")]
    assert first.values["AP2"] == pytest.approx(5 * sum(own) / len(own))
    assert first.values["sparsity"] == pytest.approx(0.5)
    assert pruned_each(group) == ()


def test_one_layer_is_no_comparison_of_layers(grid):
    assert layers_of(only_group(grid)) == ()
    assert pruned_each(only_group(grid)) == ()


def test_layers_that_were_pruned_alone_share_the_harm(grid):
    group = only_group(each(grid))
    runs = pruned_each(group)
    assert len(runs) == 9
    values = single_layers_of(group, runs)
    assert {value.method for value in values} == {"lowest (layer)", "random (layer)", "highest (layer)"}
    shares = {v.layer: v.values["share of PD, test loss"] for v in values if v.method == "lowest (layer)"}
    assert shares == {"conv1": pytest.approx(1 / 8), "conv2": pytest.approx(2 / 8), "fc": pytest.approx(5 / 8)}
    assert sum(v.values["share of AP2"] for v in values if v.method == "random (layer)") == pytest.approx(1)


def test_two_layers_alone_are_methods_to_compare(grid):
    assert pruned_each(only_group(each(grid, ("conv1", "fc")))) == ()


def test_dense_layers_do_not_hide_the_one_that_was_pruned(grid):
    others = [
        replace(r, layer=layer, sparsity=LayerSparsity(None, 0.0), pruned=r.pruned, value=0.0)
        for r in each(grid)
        for layer in LAYERS
        if layer != r.layer
    ]
    assert len(pruned_each(only_group([*each(grid), *others]))) == 9

"""Labels of methods: with the scope, with the layers where they differ, and what is a control."""

from dataclasses import replace

import pytest
from studies import only_group

from apcli.records.pair import File, LayerSparsity
from apcli.stages.report.runs.labels import is_control, label_of, order_of, qualified
from apcli.stages.report.runs.trials import trials_of


def test_a_label_is_the_method_with_its_scope(records):
    trial = trials_of(records, {}, [])[0]
    assert label_of(trial, False) == "lowest (layer)"
    assert label_of(replace(trial, scope=None), False) == "lowest"
    assert label_of(replace(trial, method=None), True) is None


def test_layers_are_named_where_they_differ(make_grid):
    records = [r for r in make_grid(seeds=(0,), epochs=0) if r.method == "lowest"]
    last = [replace(r, pruned=File("last", f"1{r.pruned.sha256[1:]}")) for r in records if r.layer == "fc"]
    every = [replace(r, layer=layer) for r in records if r.layer == "fc" for layer in ("conv1", "fc", "*")]
    assert set(only_group([*every, *last]).methods) == {"lowest (layer, 2 layers)", "lowest (layer, fc)"}


def test_a_layer_that_was_pruned_alone_is_named_whatever_was_compared(make_grid):
    records = [
        r for r in make_grid(seeds=(0,), epochs=0, sparsities=(0.5,)) if r.method == "lowest" and r.layer == "fc"
    ]
    made = []
    for alone in ("conv1", "fc"):
        for layer in ("conv1", "fc"):
            share = LayerSparsity(0.5 if layer == alone else None, 0.5 if layer == alone else 0.0)
            made += [replace(r, layer=layer, sparsity=share, pruned=File(alone, alone * 9)) for r in records]
    assert set(only_group(made).methods) == {"lowest (layer, conv1)", "lowest (layer, fc)"}


def test_a_qualified_label_stays_one_pair_of_brackets():
    assert qualified("lowest (layer)", "a.safetensors") == "lowest (layer, a.safetensors)"
    assert qualified("lowest", "a.safetensors") == "lowest (a.safetensors)"


@pytest.mark.parametrize(
    ("label", "control"),
    [
        ("random", True),
        ("random (global)", True),
        ("random-same-layers of lowest (layer)", True),
        ("lowest", False),
        ("randomised.safetensors", False),
        ("synflow:iterations=3 (global)", False),
    ],
)
def test_what_removes_at_random_is_a_control(label, control):
    assert is_control(label) is control


def test_methods_stand_in_the_order_of_the_tables():
    names = ["lowest", "random", "lamp", "l1", "bn-scale", "of a stranger", None]
    shuffled = [*names[3:], *names[:3]]
    assert sorted(shuffled, key=order_of)[:5] == names[:5]
    assert order_of("random-same-layers:of=a") == order_of("random-same-layers")

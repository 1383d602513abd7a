"""Requests: what a command line multiplies to, and what does not go together."""

from typing import Any

import pytest

from apcli.allocations.budgets import Sparsity
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.outputs import Outputs
from apcli.stages.prune.requests import (
    Amount,
    ByLayer,
    Compression,
    Pattern,
    ZerosOf,
    check,
    needs_data,
    needs_network,
    requests_of,
    runs_network,
)
from apcli.stages.prune.stage import prune


@pytest.mark.parametrize(
    "options, words",
    [
        ({"method": "movement"}, "apcli finetune --method movement"),
        ({"method": "random-same-layers"}, "needs --like FILE"),
        ({"method": "nearest"}, "unknown method 'nearest'"),
        ({"scope": "everything"}, "unknown scope 'everything'"),
        ({"method": "lowest", "seeds": (1,)}, "lowest draws nothing"),
        ({"method": "sparsegpt", "min_keep": 3.0}, "leave --rewind-to and --min-keep out"),
        ({"method": "synflow", "layer_sparsity": (("fc1", 0.5),)}, "prunes in steps"),
        ({"device": "cpu"}, "needs no network"),
        (
            {"structure": "filter", "scope": "erk"},
            r"erk with --structure filter: it goes by .*: expected layer or global",
        ),
        ({"structure": "filter", "scope": "output"}, "it spreads zeros over the inputs of each output unit"),
        ({"structure": "filter", "scope": "uniform+"}, "it needs a first and a last layer"),
    ],
)
def test_the_operation_refuses_what_the_command_refuses(source, options, words):
    before = set(source.parent.iterdir())
    with pytest.raises(UsageError, match=words):
        list(prune(read(source), PruneConfig((0.5,), **options), Outputs()))
    assert set(source.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "lowst"}, "unknown method 'lowst': did you mean 'lowest'"),
        ({"method": "lowest:x=1"}, "no parameter 'x'"),
        ({"method": "lowest,"}, "empty method"),
        ({"scope": "everywhere"}, "unknown scope 'everywhere': known are layer, global"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_read(options, words):
    with pytest.raises(UsageError, match=words):
        check(PruneConfig((0.5,), **options), Outputs())


def test_one_file_for_several_results_is_refused(tmp_path):
    target = Outputs(tmp_path / "x.safetensors")
    check(PruneConfig((0.5,)), target)
    for config in (
        PruneConfig((0.5, 0.6)),
        PruneConfig((0.5,), "lowest,highest"),
        PruneConfig((0.5,), "random", seeds=(1, 2)),
    ):
        with pytest.raises(UsageError, match="one file but several"):
            check(config, target)


def requests(own_seed: int = 9, **options: Any) -> list[tuple[str, Amount, int | None]]:
    return [(r.method.spec, r.amount, r.seed) for r in requests_of(PruneConfig(**options), own_seed)]


def test_methods_amounts_and_seeds_are_multiplied():
    half, double = Sparsity(0.5), Compression(2.0)
    assert requests(sparsity=(0.5,)) == [("lowest", half, None)]
    assert requests(sparsity=(0.5,), method="random") == [("random", half, 9)]
    assert requests(sparsity=(0.5,), method="lowest,random", seeds=(1, 2)) == [
        ("lowest", half, None), ("random", half, 1), ("random", half, 2)
    ]  # fmt: skip
    assert requests(compression=(2.0,)) == [("lowest", double, None)]
    assert requests(structure="2:4") == [("lowest", Pattern(2, 4), None)]
    assert requests(structure="filter", sparsity=(0.5,)) == [("l1", half, None)]
    assert requests(layer_sparsity=(("fc", 0.5),)) == [("lowest", ByLayer(), None)]
    assert requests(like="a,b") == [("random-same-layers", ZerosOf(name), 9) for name in "ab"]
    assert requests(mask_from="a") == [("mask", ZerosOf("a"), None)]


@pytest.mark.parametrize(
    ("options", "network", "runs", "data"),
    [
        ({}, False, False, False),
        ({"model": "fc5"}, True, False, False),
        ({"method": "synflow"}, True, True, False),
        ({"method": "lowest,taylor"}, True, True, True),
        ({"structure": "filter"}, True, True, False),
        ({"structure": "filter", "method": "taylor"}, True, True, True),
    ],
)
def test_what_a_request_needs(options, network, runs, data):
    config = PruneConfig((0.5,), **options)
    assert (needs_network(config), runs_network(config), needs_data(config)) == (network, runs, data)

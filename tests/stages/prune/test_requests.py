"""Requests: what a command line multiplies to, and what does not go together."""

from typing import Any

import pytest

from apcli.allocations.budgets import Sparsity
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig, InputConfig
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
        ({"method": "sparsegpt", "min_keep": 3.0}, "leave --rewind-to, --min-keep and --adjust out"),
        ({"method": "synflow", "layer_sparsity": (("fc1", 0.5),)}, "prunes in steps"),
        ({"device": "cpu"}, "--device is given, but this needs no network"),
        ({"batch_size": 7}, "--batch-size is given, but this needs no images"),
        ({"data": DataConfig(cache="none")}, "--cache is given, but this needs no network"),
        ({"method": "highest", "data": DataConfig(download=True)}, "--download is given, but highest needs no network"),
        ({"inputs": InputConfig(mean=(0.5,))}, "--mean is given, but this needs no model"),
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
        PruneConfig((0.5,), scope="layer,global"),
        PruneConfig((0.5,), layers="each"),
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


def test_scopes_multiply_and_a_method_may_have_its_own():
    def scopes(**options: Any) -> list[tuple[str, str, str]]:
        return [(r.method.spec, r.scope, r.word) for r in requests_of(PruneConfig((0.5,), **options), 0)]

    assert scopes() == [("lowest", "layer", "")]
    assert scopes(scope="global") == [("lowest", "global", "")]
    assert scopes(method="lowest,lamp", scope="layer,global") == [
        ("lowest", "layer", ""), ("lowest", "global", "global"), ("lamp", "layer", ""), ("lamp", "global", "global")
    ]  # fmt: skip
    assert scopes(method="lowest,lamp:scope=global") == [("lowest", "layer", ""), ("lamp", "global", "global")]
    assert scopes(method="lamp:scope=layer", scope="erk") == [("lamp", "layer", "")]
    assert scopes(method="synflow:iterations=7:scope=erk") == [("synflow:iterations=7", "erk", "erk")]
    assert scopes(scope="erk,uniform+:last=fc2")[1] == ("lowest", "uniform+:last=fc2", "uniform+-last=fc2")


def test_a_users_method_may_have_a_parameter_of_that_name(tmp_path):
    (tmp_path / "own.py").write_text("def near(weights, *, scope=1):\n    return abs(weights)\n")
    (request,) = requests_of(PruneConfig((0.5,), f"{tmp_path}/own.py:near:scope=2"), 0)
    assert (request.method.parameters, request.scope) == ({"scope": 2}, "layer")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sparsity": (0.5,), "method": "lowest:scope=everywhere"}, "unknown scope 'everywhere'"),
        ({"sparsity": (0.5,), "scope": "layer,"}, "empty scope in 'layer,'"),
        ({"structure": "2:4", "method": "lowest:scope=global"}, "fixes what each layer loses: leave lowest:scope=glo"),
        (
            {"sparsity": (0.5,), "structure": "filter", "scope": "layer,output"},
            "output with --structure filter",
        ),
        ({"sparsity": (0.5,), "method": "sparsegpt:scope=global"}, "sparsegpt with --scope global: expected one of"),
    ],
)
def test_every_scope_is_checked(options, words):
    with pytest.raises(UsageError, match=words):
        check(PruneConfig(**options), Outputs())


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

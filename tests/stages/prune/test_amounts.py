"""How many weights of each layer go: every option that says so, resolved once."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from apcli.allocations.budgets import Sparsity
from apcli.checkpoints.layers import Layer, prunable
from apcli.checkpoints.network_layers import CONVOLUTION, GROUPED, OWN
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.prune import amounts as module
from apcli.stages.prune.amounts import Amounts, amounts_of
from apcli.stages.prune.requests import requests_of

SIZES = {"conv": 288, "fc1": 1200, "fc2": 300}


@pytest.fixture
def source(tmp_path: Any) -> Any:
    shapes = {"conv.weight": (8, 4, 3, 3), "fc1.weight": (30, 40), "fc2.weight": (10, 30)}
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "net.safetensors")
    return read(tmp_path / "net.safetensors")


def resolved(source: Any, *sparsity: float, **options: Any) -> Amounts:
    config = PruneConfig(sparsity, **options)
    (request,) = requests_of(config, 0)
    return amounts_of(source, prunable(source), request.amount, config)


@pytest.mark.parametrize(
    ("sparsity", "options", "counts", "asked"),
    [
        ((0.5,), {}, [144, 600, 150], [0.5, 0.5, 0.5]),
        ((0.99,), {"min_keep": 20.0}, [268, 1180, 280], [0.99, 0.99, 0.99]),
        ((), {"compression": (2.0,)}, [144, 600, 150], [0.5, 0.5, 0.5]),
        ((), {"structure": "1:4"}, [216, 900, None], [0.75, 0.75, None]),
        ((0.5,), {"layer_sparsity": (("fc*", 0.1), ("fc2", 0.25))}, [144, 120, 75], [0.5, 0.1, 0.25]),
        ((), {"layer_sparsity": (("fc*", 0.1), ("fc2", 0.25))}, [None, 120, 75], [None, 0.1, 0.25]),
    ],
)
def test_every_amount_is_counts(source, sparsity, options, counts, asked):
    layers = [layer for layer in prunable(source) if not options.get("structure") or layer.name != "fc2"]
    config = PruneConfig(sparsity, **options)
    (request,) = requests_of(config, 0)
    amounts = amounts_of(source, layers, request.amount, config)
    assert not amounts.need_scores
    assert amounts.known == {name: count for name, count in zip(SIZES, counts, strict=True) if count is not None}
    assert amounts.asked == {name: share for name, share in zip(SIZES, asked, strict=True) if share is not None}
    assert amounts.bounds() == {name: (count, count) for name, count in amounts.known.items()}
    assert amounts.removed == sum(amounts.known.values())


@pytest.mark.parametrize(
    ("sparsity", "min_keep", "removed", "bounds"),
    [
        (0.5, 0, 894, {"conv": (0, 288), "fc1": (306, 894), "fc2": (0, 300)}),
        (0.9, 0.2, 1430, {"conv": (230, 230), "fc1": (960, 960), "fc2": (240, 240)}),
        (0.75, 100, 1341, {"conv": (41, 188), "fc1": (953, 1100), "fc2": (53, 200)}),
    ],
)
def test_what_scores_decide_has_bounds(source, sparsity, min_keep, removed, bounds):
    amounts = resolved(source, sparsity, scope="global", min_keep=min_keep)
    assert amounts.need_scores
    assert (amounts.removed, amounts.bounds()) == (removed, bounds)


def test_on_the_way_the_share_grows_to_the_whole(source):
    amounts = resolved(source, compression=(4.0,), scope="erk")
    shares = [amounts.on_the_way(step / 4).budget.share(amounts.units) for step in range(5)]
    assert shares == [pytest.approx(1 - 0.25 ** (step / 4)) for step in range(5)]


def test_the_counts_are_made_once(source, monkeypatch):
    """Not anew for every tensor, which took minutes where there are thousands."""
    calls: list[Any] = []
    made = module.select
    monkeypatch.setattr(module, "select", lambda *a, **k: calls.append(a) or made(*a, **k))
    amounts = resolved(source, layer_sparsity=(("fc1", 0.5), ("fc2", 0.25)))
    assert [amounts.known, amounts.known] == [{"fc1": 600, "fc2": 75}] * 2
    assert len(calls) == 2


COLOURS, GREY, DEPTHWISE = (8, 3, 3, 3), (8, 1, 3, 3), (16, 1, 3, 3)


@pytest.mark.parametrize(
    ("kernels", "first"),
    [
        ({"a": (COLOURS, CONVOLUTION), "b": (DEPTHWISE, GROUPED)}, "a"),
        ({"b": (DEPTHWISE, GROUPED), "a": (GREY, CONVOLUTION)}, "a"),
        ({"b": (DEPTHWISE, OWN), "a": (COLOURS, OWN)}, "a"),  # of a file alone
        ({"a": (GREY, OWN), "b": (DEPTHWISE, OWN)}, None),  # which could be either
        ({"b": (DEPTHWISE, GROUPED)}, None),
    ],
)
def test_a_depthwise_convolution_is_no_first_layer(kernels, first):
    layers = [Layer(name, f"{name}.weight", shape, kind) for name, (shape, kind) in kernels.items()]
    layers.append(Layer("fc", "fc.weight", (40, 40)))
    source: Any = SimpleNamespace(lineage=SimpleNamespace(last_layer="fc.weight"))
    amounts = amounts_of(source, layers, Sparsity(0.1), PruneConfig((0.1,), scope="uniform+"))
    if first is None:
        with pytest.raises(UsageError, match=r"--scope uniform\+: which layer is first is not known"):
            amounts.bounds()
    else:
        assert {name for name, count in amounts.known.items() if not count} == {first}

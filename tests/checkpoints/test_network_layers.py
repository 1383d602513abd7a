"""The list of a network's layers: as a value, and as data from a file that may hold anything."""

import json

import pytest

from apcli.checkpoints.network_layers import ATTENTION, CONVOLUTION, LINEAR, LayerWeight, NetworkLayers, is_valid

LAYERS = NetworkLayers(
    (
        LayerWeight("a.weight", LINEAR, tied=("b.weight", "c.weight")),
        LayerWeight("n.weight_v", LINEAR, through="weight norm"),
        LayerWeight("conv.weight", CONVOLUTION),
        LayerWeight("q.parametrizations.weight.original", LINEAR, through="Q", refused="made into Q"),
        LayerWeight("attn.in_proj_weight", ATTENTION),
    )
)


def test_to_a_header_and_back():
    header = json.loads(json.dumps(LAYERS.as_dict()))
    assert is_valid(header)
    found = NetworkLayers.from_dict(header)
    assert found.by_name == LAYERS.by_name
    assert found.as_dict() == LAYERS.as_dict()
    assert NetworkLayers.from_dict({"weights": {}}).weights == ()


def test_a_thousand_layers_stay_small():
    names = [f"encoder.layers.encoder_layer_{i}.self_attention.out_proj.weight" for i in range(1000)]
    header = NetworkLayers(tuple(LayerWeight(name, LINEAR) for name in names)).as_dict()
    assert len(json.dumps(header, separators=(",", ":"))) < 1.1 * sum(len(name) + 3 for name in names)


@pytest.mark.parametrize(
    "value",
    [
        [],
        "linear",
        {},
        {"weights": ["a"]},
        {"weights": {"linear": "a"}},
        {"weights": {"linear": [1]}},
        {"weights": {"unheard": ["a"]}},
        {"weights": {"linear": ["a", "a"]}},
        {"weights": {"linear": ["a"], "convolution": ["a"]}},
        {"weights": {"linear": ["a"]}, "tied": {"a": ["a"]}},
        {"weights": {"linear": ["a", "b"]}, "tied": {"a": ["b"]}},
        {"weights": {"linear": ["a"]}, "tied": {"b": ["c"]}},
        {"weights": {"linear": ["a"]}, "tied": ["b"]},
        {"weights": {"linear": ["a"]}, "through": {"norm": ["b"]}},
        {"weights": {"linear": ["a"]}, "refused": {"why": "a"}},
    ],
)
def test_what_is_no_list_of_layers(value):
    assert not is_valid(value)


def test_a_file_need_not_have_one():
    assert is_valid(None)
    assert is_valid({"weights": {"linear": ["a"]}, "tied": {"a": ["b"]}, "through": {"x": ["a"]}})

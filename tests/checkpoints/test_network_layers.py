"""The list of a network's layers: as a value, and as data from a file that may hold anything."""

import json

import pytest

from apcli.checkpoints.network_layers import ATTENTION, CONVOLUTION, LINEAR, LayerWeight, NetworkLayers

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
    header = json.loads(json.dumps(LAYERS.to_json()))
    found = NetworkLayers.from_json(header)
    assert found.by_name == LAYERS.by_name
    assert found.to_json() == LAYERS.to_json()
    assert NetworkLayers.from_json({"weights": {}}).weights == ()


def test_a_thousand_layers_stay_small():
    names = [f"encoder.layers.encoder_layer_{i}.self_attention.out_proj.weight" for i in range(1000)]
    header = NetworkLayers(tuple(LayerWeight(name, LINEAR) for name in names)).to_json()
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
    with pytest.raises(ValueError, match="no list of layers' weights"):
        NetworkLayers.from_json(value)


def test_a_layer_and_its_other_name():
    assert NetworkLayers.from_json({"weights": {"linear": ["a"]}, "tied": {"a": ["b"]}, "through": {"x": ["a"]}})

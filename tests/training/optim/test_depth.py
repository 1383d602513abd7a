"""Rates by depth: against timm's own groups, and counted by hand where there are none."""

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from apcli.training.optim.depth import scales_by_depth
from apcli.training.optim.optimisers import optimiser_of
from apcli.training.optim.rates import Rates


def named(network: nn.Module, decay: float) -> dict[str, float]:
    scales = scales_by_depth(network, decay)
    return {name: scales[id(parameter)] for name, parameter in network.named_parameters()}


def test_each_layer_is_a_step_and_what_follows_it_goes_with_it():
    block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    network = nn.Sequential(nn.BatchNorm2d(3), block, nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 2))
    assert named(network, 0.5) == {
        **dict.fromkeys(("0.weight", "0.bias", "1.0.weight", "1.0.bias", "1.1.weight", "1.1.bias"), 0.25),
        **dict.fromkeys(("3.weight", "3.bias"), 0.5),
        **dict.fromkeys(("4.weight", "4.bias"), 1.0),
    }
    assert set(named(nn.LayerNorm(3), 0.5).values()) == {1.0}


def test_timm_s_networks_have_timm_s_blocks():
    network = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=3, embed_dim=12, num_heads=2)
    found = named(network, 0.75)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = param_groups_layer_decay(network, layer_decay=0.75)
    assert found == {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}
    assert found["head.weight"] == 1.0
    assert found["blocks.0.attn.qkv.weight"] == found["blocks.0.norm1.bias"] == pytest.approx(0.75**3)
    assert found["patch_embed.proj.weight"] == pytest.approx(0.75**4)


@pytest.mark.parametrize("decay", ["all", "weights"])
def test_the_optimiser_s_rates_follow_the_schedule_times_the_scale(recipe, decay):
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    how = recipe(layer_decay=0.5, sched="linear", epochs=2, lr=0.4, weight_decay=0.1, decay=decay)
    optimiser, _ = optimiser_of(network, how, captured=False)
    rates = Rates(optimiser, how, 1)
    for epoch, rate in enumerate((0.4, 0.2)):
        rates.before_step(epoch)
        found = {
            id(p): (group["lr"], group["weight_decay"]) for group in optimiser.param_groups for p in group["params"]
        }
        for layer, scale in zip(network, (0.5, 1.0), strict=True):
            assert found[id(layer.weight)] == (pytest.approx(rate * scale), 0.1)
            assert found[id(layer.bias)] == (pytest.approx(rate * scale), 0.1 if decay == "all" else 0.0)
        assert rates.now == pytest.approx(rate)
        rates.after_step()
        rates.after_epoch(None)


def test_a_step_moves_each_layer_by_its_rate(recipe):
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
            parameter.grad = torch.ones_like(parameter)
    how = recipe(layer_decay=0.25, lr=0.5, momentum=0.0)
    optimiser, _ = optimiser_of(network, how, captured=False)
    Rates(optimiser, how, 1).before_step(0)
    optimiser.step()
    assert network[0].weight.unique().tolist() == [-0.125]
    assert network[1].bias.unique().tolist() == [-0.5]

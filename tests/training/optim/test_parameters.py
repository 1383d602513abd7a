"""Which parameters learn, and which of them decay."""

import torch
from torch import nn

from apcli.training.optim.optimisers import optimiser_of


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))


class Tokens(nn.Module):
    """A transformer's odds and ends: what decays is ``proj``, ``attention``'s projections and ``old``'s direction."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed, self.cls_token = nn.Parameter(torch.ones(1, 3, 4)), nn.Parameter(torch.ones(1, 1, 4))
        self.relative_position_bias_table = nn.Parameter(torch.ones(9, 2))
        self.norm, self.proj, self.head = nn.LayerNorm((3, 4)), nn.Linear(4, 4), nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.old = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))

    def no_weight_decay(self) -> set[str]:
        return {"pos_embed", "cls_token", "head.weight"}


def test_what_no_layer_multiplies_by_and_what_the_network_lists_is_spared_whatever_its_shape(recipe):
    model = Tokens()
    optimiser, _ = optimiser_of(model, recipe(weight_decay=0.1, decay="weights"), captured=False)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decays = {group["weight_decay"]: [names[id(p)] for p in group["params"]] for group in optimiser.param_groups}
    assert sorted(decays[0.1]) == [
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "old.parametrizations.weight.original1",
        "proj.weight",
    ]
    assert len(decays[0.1]) + len(decays[0.0]) == len(names)


def test_what_does_not_learn_is_left_out(recipe):
    model = network()
    model.requires_grad_(False)
    model[3].weight.requires_grad_(True)
    optimiser, _ = optimiser_of(model, recipe(decay="weights"), captured=False)
    assert [parameter is model[3].weight for group in optimiser.param_groups for parameter in group["params"]] == [True]

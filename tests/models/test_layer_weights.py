"""Which parameters a network's layers multiply by: small networks of every kind, and libraries' against an oracle."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from apcli.checkpoints import network_layers as kinds
from apcli.models.layer_weights import layer_weights

warnings.filterwarnings("ignore", message=".*weight_norm. is deprecated")


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(9, 4)
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 9, bias=False)
        self.b.weight, self.head.weight = self.a.weight, self.tokens.weight


class Raw(nn.Module):
    """Parameters of a module that no library knows."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Parameter(torch.ones(4, 4))
        self.weight = nn.Parameter(torch.ones(4, 1))
        self.pos_embed = nn.Parameter(torch.ones(4, 4))
        self.scale = nn.Parameter(torch.ones(4, 4))


class LooksLikeOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.in_channels = self.out_channels = self.kernel_size = 3
        self.weight = nn.Parameter(torch.ones(4, 27))  # as CondConv2d of timm keeps its experts


class Symmetric(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.triu() + x.triu(1).T


class Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def with_step(step: nn.Module) -> nn.Module:
    layer = nn.Linear(4, 4)
    parametrize.register_parametrization(layer, "weight", step)
    return layer


def found(model: nn.Module) -> dict[str, tuple[str, ...]]:
    weights = layer_weights(model).weights
    return {w.tensor: tuple(filter(None, (w.kind, *w.tied, w.through, w.refused and "refused"))) for w in weights}


def attention(**sizes: int) -> nn.Module:
    return nn.MultiheadAttention(4, 2, add_bias_kv=True, **sizes)


CASES = [
    (nn.Sequential(nn.Linear(4, 3), nn.LayerNorm([3, 3]), nn.BatchNorm1d(3)), {"0.weight": (kinds.LINEAR,)}),
    (nn.Conv2d(4, 8, 3), {"weight": (kinds.CONVOLUTION,)}),
    (nn.Conv2d(4, 8, 3, groups=2), {"weight": (kinds.GROUPED,)}),
    (nn.ConvTranspose2d(4, 8, 3), {"weight": (kinds.TRANSPOSED,)}),
    (nn.ConvTranspose1d(4, 8, 3, groups=2), {"weight": (kinds.GROUPED_TRANSPOSED,)}),
    (nn.Bilinear(2, 3, 4), {"weight": (kinds.LINEAR,)}),
    (nn.Embedding(9, 4), {"weight": (kinds.EMBEDDING,)}),
    (
        nn.LSTM(4, 6, proj_size=3),
        dict.fromkeys(("weight_ih_l0", "weight_hh_l0", "weight_hr_l0"), (kinds.RECURRENT,)),
    ),
    (nn.GRUCell(4, 3), {"weight_ih": (kinds.RECURRENT,), "weight_hh": (kinds.RECURRENT,)}),
    (attention(), {"in_proj_weight": (kinds.ATTENTION,), "out_proj.weight": (kinds.LINEAR,)}),
    (
        attention(kdim=3, vdim=5),
        {**{f"{x}_proj_weight": (kinds.ATTENTION,) for x in "qkv"}, "out_proj.weight": (kinds.LINEAR,)},
    ),
    (Tied(), {"a.weight": (kinds.LINEAR, "b.weight"), "head.weight": (kinds.LINEAR, "tokens.weight")}),
    (nn.Sequential(Raw()), {"0.proj": (kinds.OWN,)}),
    (LooksLikeOne(), {"weight": (kinds.CONVOLUTION,)}),
    (
        parametrizations.weight_norm(nn.Linear(4, 4)),
        {"parametrizations.weight.original1": (kinds.LINEAR, "weight norm")},
    ),
    (
        parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)),
        {"parametrizations.weight.original": (kinds.CONVOLUTION, "spectral norm")},
    ),
    (
        parametrizations.orthogonal(nn.Linear(4, 4)),
        {"parametrizations.weight.original": (kinds.LINEAR, "an orthogonal matrix", "refused")},
    ),
    (with_step(Symmetric()), {"parametrizations.weight.original": (kinds.LINEAR, "Symmetric", "refused")}),
    (with_step(Doubled()), {"parametrizations.weight.original": (kinds.LINEAR, "Doubled")}),
    (
        parametrizations.weight_norm(nn.LSTM(4, 3), "weight_hh_l0"),
        {
            "weight_ih_l0": (kinds.RECURRENT,),
            "parametrizations.weight_hh_l0.original1": (kinds.RECURRENT, "weight norm"),
        },
    ),
    (nn.utils.weight_norm(nn.Linear(4, 4)), {"weight_v": (kinds.LINEAR, "weight norm")}),
    (nn.utils.spectral_norm(nn.Linear(4, 4)), {"weight_orig": (kinds.LINEAR, "spectral norm")}),
    (  # each row has one number: without it there is no direction
        parametrizations.weight_norm(nn.Linear(1, 4)),
        {f"parametrizations.weight.original{i}": (kinds.LINEAR, "weight norm", "refused") for i in (0, 1)},
    ),
    (
        prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5),
        {"weight_orig": (kinds.LINEAR, "a mask of torch.nn.utils.prune")},
    ),
]


@pytest.mark.parametrize(("model", "expected"), CASES)
def test_what_is_multiplied_by(model, expected):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert found(model) == expected
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())  # spectral norm's _u
    assert model.training


@pytest.mark.parametrize(
    "model", [model for model, names in CASES if len(names) == 1 and len(next(iter(names.values()))) > 1]
)
def test_where_a_tensor_is_zero_the_weight_is_or_else_it_is_refused(model):
    """With the network's own numbers, in training and in evaluation."""
    for weight in layer_weights(model).weights:
        own = weight.tensor.partition("parametrizations.")[2].partition(".")[0] or weight.tensor.rpartition("_")[0]
        with torch.no_grad():
            dict(model.named_parameters())[weight.tensor][:, ::2] = 0
        for training in (False, True):
            model.train(training)
            for hook in model._forward_pre_hooks.values():  # of the old norms and masks: they make the weight
                hook(model, (torch.zeros(1, 4),))
            used = getattr(model, own).detach()
            assert bool((used[:, ::2] == 0).all()) != bool(weight.refused)
            assert (used[:, 1::2] != 0).any()

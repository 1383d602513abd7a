"""Multiply-adds against hand counts, published numbers, the counter's own total, and hooks on modules."""

from collections import Counter
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from apcli.probes.costs import Costs, macs
from apcli.probes.undisturbed import undisturbed

_MODULES = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def by_hooks(model: nn.Module, image: Tensor) -> tuple[Counter[str], int]:
    """Positions of each module's output times its weights; and the counter's own total."""
    found: Counter[str] = Counter()

    def hook(name: str) -> Any:
        def count(module: Any, args: Any, output: Tensor) -> None:
            found[f"{name}.weight"] += output.numel() // module.weight.shape[0] * module.weight.numel()

        return count

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in model.named_modules()
        if isinstance(module, _MODULES)
    ]
    with undisturbed(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    for handle in handles:
        handle.remove()
    return found, counter.get_total_flops() // 2


def used(costs: Costs) -> dict[str, int]:
    return {name: count for name, count in costs.weights.items() if count}


def check(model: nn.Module, image: Tensor) -> Costs:
    """For networks whose weights are all used by modules of their own."""
    costs, (hooked, total) = macs(model, image), by_hooks(model, image)
    assert used(costs) == hooked
    assert costs.total == total
    return costs


IMAGE = torch.zeros(1, 3, 224, 224)
long = pytest.mark.long


def of_torchvision(name: str) -> nn.Module:
    """The network with whatever weights: their shapes alone count."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    return model.to_empty(device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("alexnet", 0.71e9),
        ("resnet18", 1.81e9),
        ("mobilenet_v2", 0.30e9),
        pytest.param("vgg11", 7.61e9, marks=long),  # layers of the same kinds, in billions of products
        pytest.param("resnet50", 4.09e9, marks=long),
    ],
)
def test_published_networks(name, published):
    costs = check(of_torchvision(name), IMAGE)
    assert costs.total == pytest.approx(published, rel=0.01)
    assert costs.others == 0


def test_alexnet_by_hand():
    positions = {"0": 55**2, "3": 27**2, "6": 13**2, "8": 13**2, "10": 13**2}
    sizes = {"0": 64 * 3 * 121, "3": 192 * 64 * 25, "6": 384 * 192 * 9, "8": 256 * 384 * 9, "10": 256 * 256 * 9}
    expected = {f"features.{layer}.weight": positions[layer] * sizes[layer] for layer in sizes}
    expected |= {"classifier.1.weight": 9216 * 4096, "classifier.4.weight": 4096**2, "classifier.6.weight": 4096000}
    assert used(macs(of_torchvision("alexnet"), IMAGE)) == expected


def attention(tokens: int, width: int) -> int:
    """Queries with keys, and their shares with values."""
    return 2 * tokens**2 * width


def test_torchvision_vit():
    """nn.MultiheadAttention uses in_proj_weight, and out_proj's weight without calling out_proj."""
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=5)
    costs = macs(model, torch.zeros(1, 3, 32, 32))
    tokens = 17
    for block in model.encoder.layers:
        assert isinstance(block.self_attention, nn.MultiheadAttention)
    layer = "encoder.layers.encoder_layer_1"
    assert costs.weights["conv_proj.weight"] == 16 * 16 * 192
    assert costs.weights[f"{layer}.self_attention.in_proj_weight"] == tokens * 3 * 16 * 16
    assert costs.weights[f"{layer}.self_attention.out_proj.weight"] == tokens * 16 * 16
    assert costs.weights[f"{layer}.mlp.0.weight"] == tokens * 16 * 24
    assert costs.weights["heads.head.weight"] == 16 * 5
    assert costs.weights["class_token"] == costs.weights["encoder.pos_embedding"] == 0
    assert costs.others == 2 * attention(tokens, 16)
    assert costs.total == by_hooks(model, torch.zeros(1, 3, 32, 32))[1]


def test_timm_vit():
    model = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2)
    costs = check(model, torch.zeros(1, 3, 64, 64))
    assert costs.others == 2 * attention(17, 192)
    assert costs.weights["blocks.1.attn.qkv.weight"] == 17 * 3 * 192**2


def test_swin():
    """torchvision uses the weights of attention in a function, so no hook sees them; timm's modules are called."""
    theirs = torchvision.models.swin_transformer.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=5)
    costs = macs(theirs, torch.zeros(1, 3, 32, 32))
    assert costs.weights["features.1.0.attn.qkv.weight"] == 64 * 3 * 16**2
    assert costs.weights["features.1.0.attn.proj.weight"] == 64 * 16**2
    assert costs.others == 4 * attention(16, 16) + attention(16, 32)
    assert costs.total == by_hooks(theirs, torch.zeros(1, 3, 32, 32))[1]
    check(
        timm.create_model("swin_tiny_patch4_window7_224", img_size=56, window_size=7, depths=(1, 1)),
        IMAGE[..., :56, :56],
    )


def test_an_operand_that_is_a_parameter_in_training():
    """Class-attention passes a view of the class token from module to module, where the counter's own hooks fail."""
    model, image = timm.create_model("cait_xxs24_224", img_size=32, depth=1), IMAGE[..., :32, :32]
    costs = macs(model, image)
    assert used(costs) == by_hooks(model.requires_grad_(False), image)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Linear(6, 7), (6,), 42),
        (nn.Linear(6, 7, bias=False), (2, 3, 6), 6 * 42),
        (nn.Conv1d(6, 8, 3, stride=2), (6, 9), 4 * 6 * 8 * 3),
        (nn.Conv2d(6, 8, 3, padding=1), (6, 4, 5), 20 * 6 * 8 * 9),
        (nn.Conv2d(6, 8, 3, padding=1, groups=2), (6, 4, 5), 20 * 3 * 8 * 9),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), (6, 4, 5), 20 * 6 * 9),
        (nn.Conv2d(6, 8, 2, dilation=2, padding="same", padding_mode="reflect"), (6, 4, 5), 20 * 6 * 8 * 4),
        (nn.Conv3d(2, 4, 2), (2, 3, 3, 3), 8 * 2 * 4 * 8),
        (nn.ConvTranspose2d(6, 8, 3, stride=2), (6, 4, 5), 20 * 6 * 8 * 9),  # once for each position of the input
        (nn.ConvTranspose2d(6, 8, 3, stride=2, groups=2), (6, 4, 5), 20 * 6 * 4 * 9),
    ],
)
def test_modules_by_hand(module, shape, expected, dtype):
    costs = macs(nn.Sequential(module).to(dtype), torch.zeros(3, *shape, dtype=dtype))
    assert costs == Costs(expected, {"0.weight": expected})


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_networks(kind, gates):
    costs = macs(kind(5, 7, batch_first=True), torch.zeros(2, 3, 5))
    assert costs == Costs(3 * gates * 7 * 12, {"weight_ih_l0": 3 * gates * 35, "weight_hh_l0": 3 * gates * 49})


class Vector(nn.Module):
    """Products of a matrix and a vector, with a module and without."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)
        self.query = nn.Parameter(torch.ones(4))

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.fc(images[0]), self.fc.weight @ images[0]]) @ self.query


def test_vectors():
    assert macs(Vector(), torch.zeros(1, 6)) == Costs(24 + 24 + 8, {"fc.weight": 48})


class Tied(nn.Module):
    """One weight under two names, used thrice: there, back, and there again."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(6, 4, bias=False)
        self.decoder = nn.Linear(6, 4, bias=False)
        self.decoder.weight = self.encoder.weight
        self.unused = nn.Linear(50, 60)

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(F.linear(self.encoder(images), self.encoder.weight.t()))


def test_tied_weights_count_once_under_the_name_that_is_loaded_last():
    expected = {"encoder.weight": 0, "decoder.weight": 72, "unused.weight": 0}
    assert macs(Tied(), torch.zeros(1, 6)) == Costs(72, expected)
    model, state = Tied(), Tied().state_dict()
    state["encoder.weight"], state["decoder.weight"] = torch.zeros(4, 6), torch.ones(4, 6)
    model.load_state_dict(state)
    assert torch.equal(model.encoder.weight, torch.ones(4, 6))


class Standardised(nn.Conv2d):
    """A convolution with another weight than the one in the file: where that is zero, this one is not."""

    def forward(self, images: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return F.conv2d(images, weight, self.bias)


def test_what_is_made_of_a_weight_is_not_the_weight():
    costs = macs(Standardised(2, 3, 1), torch.zeros(1, 2, 4, 4))
    assert costs == Costs(96, {"weight": 0})
    assert costs.others == 96


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_each_zero_saves_its_share(groups):
    """A convolution of ones with a mask counts the products of nonzero weights, padding included."""
    model = nn.Conv2d(4, 8, 3, padding=1, stride=2, groups=groups, bias=False)
    mask = torch.rand(model.weight.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    mask[0] = False
    dense = macs(model, torch.zeros(1, 4, 7, 6)).weights["weight"]
    padded = torch.ones(1, 4, 9, 8)
    assert dense == F.conv2d(padded, torch.ones_like(model.weight), stride=2, groups=groups).sum()
    assert dense * int(mask.sum()) == F.conv2d(padded, mask.float(), stride=2, groups=groups).sum() * mask.numel()


def test_the_batch_does_not_count(case):
    one = macs(case.model, case.images[:1])
    assert macs(case.model, case.images) == one
    assert one.total > 0
    assert one.total == by_hooks(case.model, case.images[:1])[1]


def test_the_model_is_left_as_it_was(case, unchanged):
    check_unchanged = unchanged(case.model)
    macs(case.model, case.images)
    check_unchanged()
    assert torch.backends.mkldnn.enabled
    assert all(not parameter.is_inference() for parameter in case.model.parameters())


def test_a_network_that_fails_is_left_as_it_was(case, unchanged):
    check_unchanged = unchanged(case.model)
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        macs(case.model, torch.zeros(1, 1, 1, 1, 1, 1))
    check_unchanged()
    assert torch.backends.mkldnn.enabled

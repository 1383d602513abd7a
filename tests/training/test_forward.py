"""The forward pass in its layout and precision, against the network run plainly."""

import logging

import pytest
import torch
from marked import long_but
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from apcli.configs.shared import InputConfig
from apcli.data.image_spec import ImageSpec
from apcli.errors import ApcliError
from apcli.models.build import build, resolve
from apcli.models.spec import ModelSpec
from apcli.training.forward import Forward, warn_of_emulation

CPU = torch.device("cpu")


def spec(size: int = 8, channels: int = 3) -> ModelSpec:
    return ModelSpec("net.py:net", "user", 4, (channels, size, size), (0.5,), (0.25,))


class Views(nn.Module):
    """Takes its channels apart by view(), as much code does that knows channels-first images only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop, self.fc = nn.Conv2d(3, 6, 3), nn.Dropout(0.5), nn.Linear(216, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.drop(self.conv(images).view(len(images), -1)))


class Seen(TorchDispatchMode):
    """Notes the types of what convolutions and matrix products take."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(word in str(func) for word in ("convolution", "addmm", "aten.mm")):
            self.types |= {each.dtype for each in args if isinstance(each, torch.Tensor)}
        return func(*args, **(kwargs or {}))


NETWORKS = ["resnet20", "timm:test_efficientnet", "timm:test_vit", "torchvision:mobilenet_v2", "torchvision:vit_b_16"]


@pytest.mark.parametrize("name", long_but(NETWORKS, *NETWORKS[:3]))
def test_logits_are_those_of_the_plain_network(name):
    torch.manual_seed(0)
    size = 32
    found = resolve(name, ImageSpec((3, size, size), 4, (0.5,), (0.25,)), InputConfig(input_size=size))
    network = build(found).eval()
    images = torch.randn(3, *found.input_size)
    with torch.no_grad():
        expected = network(images)
        forward = Forward(network, found)
        torch.testing.assert_close(forward(images), expected, rtol=1e-4, atol=1e-5)
    assert forward.layout == torch.channels_last
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in network.parameters() if p.dim() == 4)


def test_a_network_that_views_keeps_its_layout_and_its_modes(caplog):
    network, images = Views().train(), torch.randn(5, 3, 8, 8)
    network.conv.eval()
    with caplog.at_level(logging.INFO, "apcli"):
        forward = Forward(network, spec())
    assert "net.py:net reshapes with view(), which needs channels-first images" in caplog.text
    assert forward.layout == torch.contiguous_format
    assert network.conv.weight.is_contiguous()
    assert (network.training, network.conv.training, network.drop.training) == (True, False, True)
    forward(images).sum().backward()


def test_another_error_of_the_network_is_its_own():
    class Broken(nn.Conv2d):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        Forward(Broken(3, 4, 3), spec())


def test_a_network_without_convolutions_is_left_alone():
    assert Forward(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), spec()).layout == torch.contiguous_format


def test_amp_computes_in_bfloat16_and_keeps_the_weights():
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(216, 4))
    images, before = torch.randn(5, 3, 8, 8), network[0].weight.clone()
    for amp, expected in ((True, {torch.bfloat16}), (False, {torch.float32})):
        forward = Forward(network, spec(), amp=amp)
        with Seen() as seen:
            logits = forward(images)
        assert seen.types == expected
        logits.sum().backward()
        assert network[0].weight.dtype == network[0].weight.grad.dtype == torch.float32
    assert torch.equal(network[0].weight, before)


def test_the_main_head_comes_first_and_nothing_else_is_logits():
    class Heads(nn.Module):
        def __init__(self, first: object) -> None:
            super().__init__()
            self.first = first

        def forward(self, images: torch.Tensor) -> object:
            return self.first

    logits = torch.ones(2, 4)
    assert Forward(Heads((logits, None)), spec())(torch.zeros(2, 3, 8, 8)) is logits
    for other, shape in ((torch.ones(2, 5), r"\(2, 5\)"), ({"out": logits}, "dict"), (torch.ones(4), r"\(4,\)")):
        with pytest.raises(ApcliError, match=rf"net returns an output of shape {shape}: expected logits, \(2, 4\)"):
            Forward(Heads(other), spec())(torch.zeros(2, 3, 8, 8))


def test_emulated_arithmetic_is_said_once_asked_for(caplog, monkeypatch):
    for has, amp, said in ((False, True, True), (False, None, False), (False, False, False), (True, True, False)):
        monkeypatch.setattr("apcli.training.forward.has_bfloat16", lambda device, has=has: has)
        caplog.clear()
        warn_of_emulation(amp, CPU)
        assert ("has no bfloat16 arithmetic" in caplog.text) == said

"""Networks that leave out blocks: those of libraries that build them so, and no others."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.drop_path import drops, option_of
from apcli.models.spec import ModelSpec

SPEC = ModelSpec("resnet10t", "timm", 3, (3, 32, 32), (0.5,) * 3, (0.25,) * 3)
TORCHVISION = replace(SPEC, name="convnext_tiny", source="torchvision")


def probabilities(network: nn.Module) -> list[float]:
    names = {"DropPath": "drop_prob", "StochasticDepth": "p"}
    return [getattr(part, names[type(part).__name__]) for part in network.modules() if type(part).__name__ in names]


def test_the_probability_grows_with_depth_and_only_training_knows_of_it():
    network = build(SPEC, drop_path=0.4)
    assert probabilities(network) == pytest.approx([0.4 / 3, 0.8 / 3, 0.4])  # that of the first block is none
    plain = build(SPEC)
    assert not drops(plain)
    plain.load_state_dict(network.state_dict())
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(network.eval()(images), plain.eval()(images))
    for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm2d)):
        nn.init.ones_(norm.weight)  # timm begins with branches that add nothing
    network.train()
    torch.manual_seed(0)
    assert not torch.equal(network(images), network(images))


@pytest.mark.slow
def test_torchvision_has_a_default_of_its_own_which_is_kept_unless_another_is_given():
    with torch.device("meta"):
        given = {share: probabilities(build(TORCHVISION, drop_path=share)) for share in (None, 0.0, 0.3)}
    assert max(given[None]) == pytest.approx(0.1)
    assert set(given[0.0]) == {0.0}
    assert max(given[0.3]) == pytest.approx(0.3)


def test_the_keyword_is_the_library_s():
    assert option_of(SPEC, 0.2) == {"drop_path_rate": 0.2}
    assert option_of(TORCHVISION, 0.0) == {"stochastic_depth_prob": 0.0}
    assert option_of(replace(SPEC, source="apcli"), None) == {}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("resnet20", "apcli"),
        ("net.py:net", "user"),
        ("vgg11", "timm"),
        ("resnet18", "torchvision"),
        ("swin_t", "torchvision"),
    ],
)
def test_where_no_block_can_be_left_out_it_is_told(name, source):
    spec = replace(SPEC, name=name, source=source)
    words = rf"--drop-path 0\.1: {name} cannot leave out blocks: expected a residual network of timm"
    with pytest.raises(UsageError, match=words), torch.device("meta"):
        build(spec, user_model=name if source == "user" else None, drop_path=0.1)

"""The theory as a whole: any two files of the same shapes, and networks whose inputs cannot be bounded."""

import logging

import pytest
import torch
from measured_pairs import by_statement, measured
from safetensors.torch import load_file, save_file
from torch import nn

from apcli.errors import UsageError
from apcli.stages.bounds import THEORIES
from apcli.stages.bounds.networks import NetworkPair


def stated(dense, other, spec="certificate:boxes=1:draws=50", **options):
    return list(THEORIES.parse(spec)(measured(dense, other, **options)))


def copied(dense, path, change):
    state = {name: change(value) if value.dim() > 1 else value for name, value in load_file(dense).items()}
    save_file(state, path)
    return path


def quantised(weight):
    """To 8 bits and back."""
    step = weight.abs().max() / 127
    return (weight / step).round() * step


def low_rank(weight):
    """The nearest matrix of half the rank."""
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    s[len(s) // 2 :] = 0
    return u * s @ v


def test_statements_of_a_pruned_file(dense, pruned):
    found = stated(dense, pruned, "certificate:tau=0.5:boxes=1:draws=50", images=100)
    assert {one.layer for one in found} == {"*"}
    names = ["S2, classes", "S2, logits", "S3, upper", "S3, lower"]
    assert [one.bound.statement for one in found][:4] == names
    assert [one.evaluated["images"] for one in found] == [100] * 4 + [1] * 3


def test_of_the_training_split_nothing_is_said_about_other_images(dense, pruned):
    found = by_statement(stated(dense, pruned, "certificate:boxes=0", images=50, split="train"))
    assert {bound.verdict for bound in found.values()} == {"assumption fails"}


@pytest.mark.parametrize("change", [quantised, low_rank])
def test_a_copy_without_zeros_will_do(dense, change, tmp_path):
    found = by_statement(stated(dense, copied(dense, tmp_path / "copy.safetensors", change)))
    assert len(found) == 6
    assert all(bound.holds for bound in found.values())
    assert found["both networks, worst case"].value > 0


def test_boxes_can_be_left_out(dense, pruned, monkeypatch):
    assert len(stated(dense, pruned, "certificate:boxes=0")) == 3


def test_networks_that_cannot_be_bounded_have_the_other_statements(dense, pruned, monkeypatch, caplog):
    class Gelu(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.inner, self.last = network, nn.GELU()

        def forward(self, images):
            return self.last(self.inner(images))

    network = NetworkPair.dense.func
    wrapped = property(lambda pair: Gelu(network(pair)))
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(NetworkPair, "dense", wrapped)
        found = by_statement(stated(dense, pruned))
    assert set(found) == {"S2, classes", "S3, upper", "S3, lower"}
    (line,) = caplog.messages
    assert "no statement about boxes of inputs: GELU in last: it cannot be bounded" in line


@pytest.mark.parametrize(
    "spec",
    [
        *["beta=0", "beta=1", "beta=1e-101", "tau=-1", "radius=-1", "radius=256", "boxes=-1", "draws=0"],
        "largest=-1",
    ],
)
def test_parameters_have_ranges(spec):
    with pytest.raises(UsageError, match="certificate:"):
        THEORIES.parse(f"certificate:{spec}")

"""Norms replaced by functions of each entry: fewer channels then change no other one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from apcli.channels.norms import WithoutNorms


def without(name, operation, *tensors, number=1):
    with torch.no_grad(), WithoutNorms({(name, number)}):
        return operation(*tensors)


@pytest.mark.parametrize("size", [6, 4])
def test_norms_scale_and_shift_each_entry_by_itself(size):
    torch.manual_seed(0)
    images, scale, shift = torch.randn(2, 5, 6), torch.randn(6), torch.randn(6)
    expected = (images / (1 + images.abs()) * scale + shift)[..., :size]
    own = images[..., :size], scale[:size], shift[:size]
    found = without("native_layer_norm", lambda x, w, b: F.layer_norm(x, (size,), w, b), *own)
    torch.testing.assert_close(found, expected)
    found = without("native_group_norm", lambda x, w, b: F.group_norm(x.mT, 1, w, b).mT, *own)
    torch.testing.assert_close(found, expected)
    found = without("native_layer_norm", lambda x: F.layer_norm(x, (size,)), own[0])
    torch.testing.assert_close(found, own[0] / (1 + own[0].abs()))


def test_only_the_named_occurrence_is_replaced():
    images = torch.randn(2, 5)
    first, second = without("mean", lambda x: (x.mean(1), x.mean(1)), images, number=2)
    torch.testing.assert_close(first, images.mean(1))
    torch.testing.assert_close(second, torch.ones(2))
    highest, at = without("max", lambda x: x.max(1), images)
    assert highest.tolist() == at.tolist() == [1, 1]


def test_a_network_of_norms_keeps_its_numbers_small():
    torch.manual_seed(0)
    model = nn.Sequential(*[nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8)) for _ in range(20)])
    norms = {("native_layer_norm", k + 1) for k in range(20)}
    with torch.no_grad(), WithoutNorms(norms):
        assert model(100 * torch.randn(2, 8)).abs().max() < 10

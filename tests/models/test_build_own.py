"""Our own networks against what was published: sizes, tensor names, and the option-A shortcut."""

import pytest
import torch
from torch import nn

from apcli.models import MODELS


@pytest.mark.slow
@pytest.mark.parametrize("row", list(MODELS), ids=lambda row: row.name)
def test_every_row_builds_and_gives_one_logit_per_class(row):
    model = row.load()(num_classes=7, input_size=(3, 16, 16)).eval()
    logits = model(torch.randn(2, 3, 16, 16))
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()
    assert row.summary
    assert row.source


@pytest.mark.parametrize("name", ["fc5", "resnet20"])
def test_weights_start_kaiming_normal(name):
    torch.manual_seed(0)
    model = MODELS.row(name).load()(num_classes=10, input_size=(3, 16, 16))
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m.weight.numel() > 5000]
    assert layers
    for layer in layers:
        fan_in = layer.weight[0].numel()
        assert layer.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)

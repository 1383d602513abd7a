"""What networks compute on images, against PyTorch's own functions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apcli.errors import ApcliError
from apcli.probes.outputs import Outputs, outputs_of


def test_losses_accuracies_and_margins_are_pytorchs():
    draw = np.random.default_rng(0)
    outputs = Outputs(50 * draw.normal(size=(40, 7)), draw.integers(0, 7, 40))
    logits, labels = torch.tensor(outputs.logits), torch.tensor(outputs.labels)
    losses = F.cross_entropy(logits, labels, reduction="none")
    assert outputs.losses == pytest.approx(losses.numpy(), rel=1e-12, abs=1e-12)
    assert outputs.loss == pytest.approx(losses.mean().item(), rel=1e-12)
    right = logits.argmax(1) == labels
    assert outputs.accuracy == right.double().mean().item()
    assert np.array_equal(outputs.margins > 0, right.numpy()), "the margin is positive where the label is predicted"
    two = Outputs(np.array([[3.0, 1.0, 2.5]]), np.array([2]))
    assert two.margins.tolist() == [-0.5]
    assert two.logits.tolist() == [[3.0, 1.0, 2.5]], "left as they are"


def test_a_network_runs_in_evaluation_mode_and_stays_in_training():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.9)).train()
    images, labels = torch.randn(7, 3), torch.arange(7) % 2
    found = outputs_of(network, lambda: zip(images.split(4), labels.split(4), strict=True), "net")
    assert network.training
    assert not network[1].num_batches_tracked
    assert found.logits == pytest.approx(network.eval()(images).detach().double().numpy(), abs=1e-6)
    assert np.array_equal(found.labels, labels)


def test_logits_that_are_not_finite_are_refused():
    network = nn.Linear(1, 2)
    images = torch.tensor([[1.0], [torch.inf]])
    with pytest.raises(ApcliError, match=r"^net: its network gives NaN or Inf"):
        outputs_of(network, lambda: iter([(images, torch.zeros(2, dtype=torch.int64))]), "net")

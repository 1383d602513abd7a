"""What a network to be pruned computes on the images of its criteria, and on those held out."""

import numpy as np
import pytest
import torch
from short_trainings import quiet

from apcli.checkpoints.layers import prunable
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.data.datasets import evenly
from apcli.stages.prune.network import NetworkScores


@pytest.fixture(scope="module")
def network(dense):
    config = PruneConfig(("limit:eps=accuracy-1",), images=60, batch_size=25, device="cpu", validation=0.1)
    return NetworkScores(config, quiet).of(read(dense))


def test_images_of_criteria_and_those_held_out(network):
    images = network._images
    for held_out, split in ((False, evenly(network.dataset.train, 60)), (True, network.dataset.validation)):
        found = images.outputs(held_out=held_out)
        ((images_of_split, labels),) = split.read([torch.arange(len(split))])
        assert np.array_equal(found.labels, labels.numpy())
        scaled = (images_of_split.float() / 255 - network.spec.mean[0]) / network.spec.std[0]
        with torch.no_grad():
            assert found.logits == pytest.approx(network.model(scaled).double().numpy(), abs=1e-5)
        assert images.outputs(held_out=held_out) is found
    assert len(network.dataset.validation) == round(0.1 * 1442)


def test_the_trained_network_of_some_layers(network):
    layers = prunable(network.source)[2:4]
    trained = network._images.trained(layers)
    assert trained.layers == ("fc3.weight", "fc4.weight")
    assert trained.network is network.model
    assert sum(len(labels) for _, labels in trained.batches()) == len(trained.outputs.labels) == 60
    again = trained.outputs_of(network.model, "the same")
    assert again.loss == pytest.approx(trained.outputs.loss, rel=1e-6)

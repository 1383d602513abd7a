"""The moving average against a loop in NumPy."""

import numpy as np
import torch
from torch import nn

from apcli.training.masking import Masking
from apcli.training.optim.averages import Average
from apcli.training.optim.parameters import parameters_of


def test_it_is_the_exponential_average_of_the_weights_and_the_last_buffers():
    draw = np.random.default_rng(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = Average(network, 0.8)
    expected = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    for step in range(5):
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(torch.from_numpy(draw.normal(size=parameter.shape)))
                expected[name] = 0.8 * expected[name] + 0.2 * parameter.double().numpy()
            network[1].running_mean.fill_(step)
            network[1].num_batches_tracked.fill_(step)
        average.update()
    for name, parameter in average.network.named_parameters():
        np.testing.assert_allclose(parameter, expected[name], rtol=1e-5, atol=1e-7)
        assert not parameter.requires_grad
    assert (average.network[1].running_mean == 4).all()
    assert average.network[1].num_batches_tracked == 4
    assert average.network[0].weight.data_ptr() != network[0].weight.data_ptr()


def test_what_is_removed_later_is_zero_in_the_average_too():
    network = nn.Linear(4, 1, bias=False)
    average = Average(network, 0.9)
    masking = Masking(parameters_of(network), {"weight": torch.tensor([[True, False, False, True]])})
    for _ in range(3):
        masking.hold()
        average.update()
        masking.hold(parameters_of(average.network))
    assert average.network.weight[0, [0, 3]].tolist() == [0.0, 0.0]
    assert not average.network.weight[0, [0, 3]].signbit().any()
    assert torch.equal(average.network.weight[0, 1:3], network.weight[0, 1:3])

"""Who reads what a layer makes, channel by channel and in the order of execution."""

import torch
from torch import nn
from torch.nn import functional as F

from apcli.channels.flows import flows


class Stream(nn.Module):
    """A stream that is read before a sum, after it, and beside a join."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner, self.mix = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1), nn.Conv2d(4, 5, 1)
        self.depth, self.fc = nn.Conv2d(5, 5, 3, padding=1, groups=5), nn.Linear(5 * 4, 3)

    def forward(self, x):
        first = F.relu(self.stem(x))
        second = first + self.inner(first)
        x = F.relu(self.mix(torch.cat([second, first], 1)))
        return self.fc(F.adaptive_avg_pool2d(self.depth(x), 2).flatten(1))


def test_flows_go_ahead_alone():
    found = {
        (flow.maker, flow.reader): list(zip(flow.made.tolist(), flow.read.tolist(), strict=True))
        for flow in flows(Stream(), torch.zeros(1, 3, 8, 8))
    }
    pixels = [(channel, 4 * channel + pixel) for channel in range(5) for pixel in range(4)]
    assert found == {
        ("stem.weight", "inner.weight"): [(0, 0), (1, 1)],
        ("stem.weight", "mix.weight"): [(0, 0), (0, 2), (1, 1), (1, 3)],
        ("inner.weight", "mix.weight"): [(0, 0), (1, 1)],
        ("mix.weight", "depth.weight"): [(channel, channel) for channel in range(5)],
        ("depth.weight", "fc.weight"): pixels,
    }


def test_a_transposed_convolution_makes_along_its_second_dimension():
    model = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ConvTranspose2d(4, 3, 2), nn.Conv2d(3, 5, 1))
    dims = {(f.maker, f.reader): (f.maker_dim, f.reader_dim) for f in flows(model, torch.zeros(1, 2, 4, 4))}
    assert dims == {("0.weight", "1.weight"): (0, 0), ("1.weight", "2.weight"): (1, 1)}


def test_grouped_convolutions_neither_make_nor_read():
    model = nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 6, 1, groups=2), nn.Conv2d(6, 5, 1), nn.Conv2d(5, 2, 1))
    assert [(f.maker, f.reader) for f in flows(model, torch.zeros(1, 2, 4, 4))] == [("2.weight", "3.weight")]

"""Options of `divergence`: their ranges."""

import pytest

from apcli.configs.divergence import DivergenceConfig


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"samples": 7}, "--samples"),
        ({"repeats": 0}, "--repeats"),
        ({"groups": -1}, "--groups"),
        ({"level": "layers"}, "--level"),
        ({"level": "filter,all"}, "--level"),
        ({"split": "val"}, "--split"),
        ({"images": -1}, "--images"),
        ({"batch_size": 0}, "--batch-size"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_out_of_range(refuses, options, flag):
    refuses(DivergenceConfig, options, flag)


def test_ends_of_the_ranges():
    config = DivergenceConfig(samples=8, repeats=1, groups=0, level="network", split="train", images=0, batch_size=1)
    assert (config.samples, config.level, config.split) == (8, "network", "train")


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("both", {"layer", "network"}),
        ("both,filter", {"filter", "layer", "network"}),
        ("filter, network", {"filter", "network"}),
        ("layer,layer", {"layer"}),
    ],
)
def test_levels(level, levels):
    assert DivergenceConfig(level=level).levels == levels

"""Options of `report FILE`: their ranges, and when a network is wanted."""

import pytest

from apcli.configs.describe import CostsConfig


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"input_size": ()}, "--input-size"),
        ({"input_size": (3, 0, 32)}, "--input-size"),
        ({"latency": True, "batch_size": 0}, "--batch-size"),
        ({"latency": True, "warmup": -1}, "--warmup"),
        ({"latency": True, "runs": 1}, "--runs"),
        ({"runs": 60}, "--runs"),
        ({"dense": "a"}, "--dense"),
        ({"latency_table": "t", "dense": "a"}, "--dense"),
        ({"device": "cpu"}, "--device"),
        ({"macs": False, "input_size": (32,)}, "--input-size"),
        ({"macs": False, "model": "fc5"}, "--model"),
    ],
)
def test_out_of_range(refuses, options, flag):
    refuses(CostsConfig, options, flag)


def test_ends_of_the_ranges():
    config = CostsConfig(latency=True, input_size=(1, 1, 1), batch_size=1, warmup=0, runs=2, dense="a", device="cpu")
    assert (config.runs, config.input_size) == (2, (1, 1, 1))
    assert CostsConfig(input_size=(1,)).input_size == (1,)


@pytest.mark.parametrize(
    ("options", "wanted", "needed"),
    [
        ({}, True, False),
        ({"macs": True}, True, True),
        ({"macs": False}, False, False),
        ({"macs": False, "latency": True}, True, True),
        ({"macs": False, "latency_table": "t"}, True, True),
        ({"model": "fc5"}, True, True),
    ],
)
def test_a_network_is_built_if_known_and_needed_if_asked_for(options, wanted, needed):
    config = CostsConfig(**options)
    assert (config.wants_network, config.needs_network) == (wanted, needed)

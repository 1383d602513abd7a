"""What networks take, where no file says it: channels of users' own, and the sentence that names every source."""

from pathlib import Path

import pytest

from apcli.configs.shared import InputConfig
from apcli.data.image_spec import ImageSpec
from apcli.errors import ApcliError
from apcli.models.inputs import for_its_channels, input_sentence
from apcli.models.spec import ModelSpec, resolve

NET = """
from torch import nn

def net(channels, pixels=8):
    return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * pixels * pixels, 5))

def grey(): return net(1)
def colour(): return net(3)
def two(): return net(2)
def large(): return net(1, 16)
"""
GREY = ModelSpec("net.py:net", "user", 5, (1, 8, 8), (0.5,), (0.25,))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(NET)
    return path


def test_grey_images_are_repeated_for_a_network_of_three_channels(file):
    assert for_its_channels(GREY, f"{file}:grey") == GREY
    found = for_its_channels(GREY, f"{file}:colour")
    assert (found.input_size, found.mean, found.std) == ((3, 8, 8), (0.5,) * 3, (0.25,) * 3)
    for function in ("two", "large"):
        with pytest.raises(ApcliError, match=r"takes neither images of 1x8x8 \(.+\) nor images of 3x8x8 \(.+\): give"):
            for_its_channels(GREY, f"{file}:{function}")


def test_three_numbers_say_three_channels(file):
    images = ImageSpec((1, 8, 8), 5, (0.3,), (0.2,))
    spec = resolve(f"{file}:colour", images, InputConfig(mean=(0.1, 0.2, 0.3)))
    assert (spec.input_size, spec.mean, spec.std) == ((3, 8, 8), (0.1, 0.2, 0.3), (0.2,) * 3)


@pytest.mark.parametrize(
    ("given", "how", "words"),
    [
        ({}, {"by_file": True}, "1x8x8 (by the file), normalised by mean 0.5 and std 0.25 (by the file)"),
        ({}, {"by_file": False}, "1x8x8 (by the data), normalised by mean 0.5 and std 0.25 (by the data)"),
        ({"mean": (0.5,)}, {"by_file": False}, "std 0.25 (by --mean and the data)"),
        ({"mean": (0.5,), "std": (0.25,), "input_size": 8}, {"by_file": True}, "(by --input-size), normalised by"),
        ({"mean": (0.5,), "std": (0.25,)}, {"by_file": True}, "std 0.25 (by --mean and --std)"),
        ({}, {"by_file": False, "pretrained": True}, "std 0.25 (by its published weights)"),
        (
            {},
            {"by_file": False, "before": {"input_size": 8}},
            "1x8x8 (by the file), normalised by mean 0.5 and std 0.25 (by the data)",
        ),
        (
            {},
            {"by_file": False, "before": {"mean": (0.5,)}},
            "(by the data), normalised by mean 0.5 and std 0.25 (by the file and the data)",
        ),
        ({"input_size": 8}, {"by_file": False, "before": {"input_size": 9}}, "1x8x8 (by --input-size)"),
    ],
)
def test_every_source_is_named(given, how, words):
    before = InputConfig(**how.pop("before", {}))
    assert words in input_sentence(GREY, InputConfig(**given), before, **how)

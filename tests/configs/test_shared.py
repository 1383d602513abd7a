"""Options of several stages: their ranges, and the checks that all of them use."""

import math

import pytest

from apcli.configs.shared import DataConfig, InputConfig, check_images, check_seeds, require
from apcli.errors import UsageError


@pytest.mark.parametrize(
    ("config", "options", "flag"),
    [
        (DataConfig, {"workers": 0}, "--workers"),
        (DataConfig, {"cache": "disk"}, "--cache"),
        (InputConfig, {"num_classes": 0}, "--num-classes"),
        (InputConfig, {"input_size": 0}, "--input-size"),
        (InputConfig, {"mean": (math.inf,)}, "--mean"),
        (InputConfig, {"std": (1.0, 0.0)}, "--std"),
        (InputConfig, {"std": (math.nan,)}, "--std"),
    ],
)
def test_out_of_range(refuses, config, options, flag):
    refuses(config, options, flag)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("val", 0, 1), "--split is 'val': expected train or test"),
        (("test", -1, 1), "--images is -1: expected 0 (all) or more"),
        (("test", 0, 0), "--batch-size is 0: expected at least 1"),
    ],
)
def test_images_that_no_network_runs_on(given, words):
    check_images("train", 0, 1)
    with pytest.raises(UsageError) as caught:
        check_images(*given)
    assert str(caught.value) == words


def test_what_is_not_fine_is_refused_in_a_sentence():
    require(True, "--lr", 0.1, "a number")
    with pytest.raises(UsageError, match=r"^--lr is fast: expected a number$"):
        require(False, "--lr", "fast", "a number")


@pytest.mark.parametrize(
    ("seeds", "words"), [((-1,), "--seed is -1"), ((0, 2**32), "--seed is 4294967296"), ((3, 1, 3), "--seeds is 3,1,3")]
)
def test_seeds_are_in_range_and_given_once(seeds, words):
    check_seeds(())
    check_seeds((0, 2**32 - 1))
    with pytest.raises(UsageError, match=f"{words}: expected"):
        check_seeds(seeds)


def test_the_options_given_are_named():
    assert InputConfig().options == []
    given = InputConfig(num_classes=3, input_size=8, mean=(0.5,), std=(0.5,))
    assert given.options == ["--num-classes", "--input-size", "--mean", "--std"]
    assert InputConfig(std=(0.5,)).options == ["--std"]


def test_options_that_are_given_are_named():
    assert DataConfig(data_dir="d").options == InputConfig().options == []
    assert DataConfig("x", "d", True, 1, "none").options == ["--data", "--download", "--workers", "--cache"]
    assert InputConfig(num_classes=3, std=(1.0,)).options == ["--num-classes", "--std"]


def test_inputs_go_before_those_of_others():
    both = InputConfig(mean=(0.5,)).or_of(InputConfig(input_size=8, mean=(0.1,)))
    assert both == InputConfig(mean=(0.5,), input_size=8)
    assert InputConfig().or_of(InputConfig(std=(2.0,))) == InputConfig(std=(2.0,))

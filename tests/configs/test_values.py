"""Keywords become a config: types, lists, defaults, and what is refused."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from apcli.configs.describe import CostsConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, TrainConfig
from apcli.configs.values import config_of, defaults_of, option_of, text
from apcli.errors import UsageError


def test_a_keyword_has_an_option():
    assert option_of("layer_sparsity") == "--layer-sparsity"


def test_defaults_are_those_of_the_configs_and_of_the_nested_ones():
    found = defaults_of(FinetuneConfig)
    assert (found["epochs"], found["batch_size"], found["data"], found["workers"]) == (20, 128, None, 2)
    assert (found["seed"], found["num_classes"]) == (None, None)
    assert not {"loop", "inputs", "name"} & found.keys()
    train = defaults_of(TrainConfig)
    assert (train["epochs"], train["seed"], train["seeds"], train["rename"]) == (100, None, None, None)
    assert "model" not in train, "it has no default"


def test_what_is_not_given_has_its_default():
    assert config_of(FinetuneConfig, {}) == FinetuneConfig()
    assert config_of(PruneConfig, {"sparsity": 0.5, "compression": None}) == PruneConfig((0.5,))
    assert config_of(FinetuneConfig, {"epochs": 3}).loop.epochs == 3
    assert config_of(FinetuneConfig, {"epochs": 3}).loop.batch_size == 128


def test_no_epochs_have_another_spelling():
    for given in ({"epochs": 0}, {"eval_only": True}, {"epochs": 0, "eval_only": True}):
        assert config_of(FinetuneConfig, given) == config_of(FinetuneConfig, {"epochs": 0})
    assert config_of(FinetuneConfig, {"eval_only": False}).loop.epochs == 20
    assert defaults_of(TrainConfig)["eval_only"] is False
    with pytest.raises(UsageError, match="--epochs 20 and --eval-only are both given: expected one of the two"):
        config_of(FinetuneConfig, {"epochs": 20, "eval_only": True})
    with pytest.raises(UsageError, match="--eval-only is 1: expected True or False"):
        config_of(FinetuneConfig, {"eval_only": 1})


def test_a_nested_name_goes_by_its_holder():
    config = config_of(TrainConfig, {"model": "fc5", "data": Path("folder:x"), "num_classes": 3, "seed": 4})
    assert (config.model.name, config.model.num_classes, config.data.name) == ("fc5", 3, "folder:x")
    assert config.seeds == (4,)


@pytest.mark.parametrize("given", ["0.5,0.75", [0.5, 0.75], (0.5, np.float32(0.75)), iter([Fraction(1, 2), 0.75])])
def test_a_list_is_a_list_or_text(given):
    assert config_of(PruneConfig, {"sparsity": given}).sparsity == (0.5, 0.75)


@pytest.mark.parametrize(
    "given",
    [
        "0.5, limit:eps=abs-0.1,0.75,limit",
        [0.5, "limit:eps=abs-0.1", 0.75, "limit"],
        iter([0.5, " limit:eps=abs-0.1", 0.75, "limit"]),
    ],
    ids=["text", "list", "iterator"],
)
def test_a_list_of_sparsities_has_numbers_and_limits(given):
    assert config_of(PruneConfig, {"sparsity": given}).sparsity == (0.5, "limit:eps=abs-0.1", 0.75, "limit")
    assert config_of(PruneConfig, {"sparsity": "limit"}).sparsity == ("limit",)
    with pytest.raises(UsageError, match="--sparsity is 'half': expected numbers"):
        config_of(PruneConfig, {"sparsity": "limit,half"})


def test_shares_and_renames_are_mappings_pairs_or_text():
    for given in ("a=0.2, b=0.8", {"a": 0.2, "b": 0.8}, [("a", 0.2), ("b", 0.8)]):
        assert config_of(PruneConfig, {"layer_sparsity": given}).layer_sparsity == (("a", 0.2), ("b", 0.8))
    for given in ("a=b", {"a": "b"}, ["a=b"]):
        assert config_of(TrainConfig, {"model": "fc5", "weights": "w", "rename": given}).rename == ("a=b",)


def test_a_budget_is_text_or_a_mapping_to_one_or_several():
    for given in (
        "macs=0.3+0.5, params=0.7",
        {"macs": (0.3, 0.5), "params": 0.7},
        [("macs", [0.3, 0.5]), ("params", 0.7)],
    ):
        assert config_of(PruneConfig, {"budget": given}).budget == (("macs", 0.3), ("macs", 0.5), ("params", 0.7))
    for given, meant in (("macs", ""), ("macs=half", ""), ("macs=50%", ": give macs=0.5")):
        with pytest.raises(UsageError, match=r"expected RESOURCE=SHARE, as in macs=0\.5 or macs=0\.3") as refused:
            config_of(PruneConfig, {"budget": given})
        assert str(refused.value).endswith(meant)


def test_text_is_text_a_path_or_a_list_of_these():
    assert text("--method", "lowest") == "lowest"
    assert text("--method", ["lowest", Path("a") / "b.py"]) == "lowest,a/b.py"
    with pytest.raises(UsageError, match="--method is an empty list"):
        text("--method", [])


@pytest.mark.parametrize(
    ("config", "given", "words"),
    [
        (
            PruneConfig,
            {"sparsity": "half"},
            "--sparsity is 'half': expected numbers separated by commas, as in 0.1,0.3",
        ),
        (PruneConfig, {"sparsity": True}, "--sparsity is True: expected a number"),
        (PruneConfig, {"sparsity": []}, "--sparsity is an empty list: expected numbers"),
        (PruneConfig, {"images": 3.0}, "--images is 3.0: expected a whole number"),
        (PruneConfig, {"images": True}, "--images is True: expected a whole number"),
        (PruneConfig, {"compact": "no"}, "--compact is 'no': expected True or False"),
        (PruneConfig, {"method": 3}, "--method is 3: expected text"),
        (PruneConfig, {"seed": 1, "seeds": [2]}, "--seed and --seeds are both given"),
        (PruneConfig, {"seed": 1.5}, "--seed is 1.5: expected a whole number"),
        (PruneConfig, {"seeds": "0,x"}, "--seeds is '0,x': expected whole numbers separated by commas, as in 0,1,2"),
        (PruneConfig, {"layer_sparsity": "fc1"}, "--layer-sparsity has 'fc1': expected LAYER=SHARE"),
        (PruneConfig, {"layer_sparsity": {"fc1": "much"}}, "--layer-sparsity fc1 is 'much': expected a number"),
        (CostsConfig, {"input_size": "8x8"}, "--input-size is '8x8': expected whole numbers, as in 224 or 3,32,32"),
    ],
)
def test_a_wrong_value_is_named_with_its_option(config, given, words):
    with pytest.raises(UsageError) as caught:
        config_of(config, given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)

"""A network by its name: what a command says, and what a file remembers of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.configs.shared import InputConfig
from apcli.data.image_spec import ImageSpec
from apcli.errors import ApcliError, UsageError
from apcli.models.named import ModelOptions, NamedModel, described
from apcli.models.spec import ModelSpec

SPEC = ModelSpec("resnet18", "torchvision", 7, (3, 64, 64), (0.5,) * 3, (0.25,) * 3)
GIVEN = InputConfig(num_classes=7, input_size=64, mean=(0.5, 0.25, 0.125))
IMAGES = ImageSpec((3, 32, 32), 5, (0.1,) * 3, (0.2,) * 3)


def named(model: Any) -> Checkpoint:
    return Checkpoint(Path("a.safetensors"), Path(), {}, replace(Lineage.EMPTY, stage="prune", model=model))


def remembered(name: str, source: str, given: InputConfig = GIVEN) -> Checkpoint:
    return named(NamedModel(name, source, given).to_json())


def test_what_is_remembered_is_read_again_and_is_no_description():
    for given in (GIVEN, InputConfig(), InputConfig(std=(2.0,))):
        one = NamedModel("resnet18", "torchvision", given)
        assert NamedModel.from_json(one.to_json()) == one
        assert described({**one.to_json(), "last": "fc.weight"}) is None
    assert NamedModel("fc5", "apcli", InputConfig(input_size=8)).to_json()["given"] == {"input_size": 8}
    assert NamedModel.from_json(None) is NamedModel.from_json(SPEC.to_json()) is described(None) is None
    assert described(SPEC.to_json()) == SPEC


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "../net"}, "model has name '../net': expected a model's name, without folders; is it damaged?"),
        ({"source": "elsewhere"}, "model has source 'elsewhere': expected one of"),
        ({"given": 3}, "model has given 3: expected an object with num_classes, input_size, mean or std"),
        ({"given": {"num_classes": "many"}}, "model has given"),
        ({"given": {"std": [0]}}, "model has given"),
    ],
)
def test_what_anyone_may_have_written_is_checked(changed, words):
    with pytest.raises(ApcliError) as caught:
        NamedModel.from_json({**NamedModel("resnet18", "torchvision", GIVEN).to_json(), **changed})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "source", "option"),
    [("resnet20", "apcli", "resnet20"), ("resnet18", "timm", "timm:resnet18"), ("net.py:net", "user", None)],
)
def test_a_file_names_its_network_as_an_option_does(name, source, option):
    assert NamedModel(name, source, GIVEN).option == option
    options, file = ModelOptions(None, InputConfig()), remembered(name, source)
    if option is not None:
        assert options.name_for(file) == option
        assert ModelOptions(option, InputConfig()).name_for(file) == option, "it may be said again"
    else:  # the path of a user's code is in no file
        with pytest.raises(UsageError, match=r"own network net.py:net, whose code is not in the file: give --model"):
            options.name_for(file)
        assert ModelOptions("my/net.py:net", InputConfig()).name_for(file) == "my/net.py:net"


@pytest.mark.parametrize("model", ["timm:resnet18", "resnet20"])
def test_another_name_than_the_files_is_refused(model):
    options, words = (
        ModelOptions(model, InputConfig()),
        f"--model is '{model}' but a.safetensors is 'torchvision:resnet18'",
    )
    with pytest.raises(UsageError, match=f"{words}: leave --model out"):
        options.name_for(remembered("resnet18", "torchvision"))
    with pytest.raises(UsageError, match=words):
        options.known_spec(named(SPEC.to_json()))
    assert ModelOptions("torchvision:resnet18", InputConfig()).known_spec(named(SPEC.to_json())) == SPEC


def test_options_go_before_what_is_remembered_and_that_before_the_data():
    file = remembered("resnet18", "torchvision")
    spec = ModelOptions(None, InputConfig()).resolved(file, IMAGES)
    assert (spec.num_classes, spec.input_size, spec.mean, spec.std) == (7, (3, 64, 64), GIVEN.mean, IMAGES.std)
    spec = ModelOptions(None, InputConfig(input_size=32, std=(1.0,))).resolved(file, IMAGES, classes=9)
    assert (spec.num_classes, spec.input_size, spec.mean, spec.std) == (7, (3, 32, 32), GIVEN.mean, (1.0,) * 3)
    plain = remembered("resnet18", "torchvision", InputConfig())
    assert ModelOptions(None, InputConfig()).resolved(plain, IMAGES, classes=9).num_classes == 9
    assert ModelOptions(None, InputConfig(mean=(0.0,))).known_spec(named(SPEC.to_json())).mean == (0.0,) * 3


def test_a_file_that_names_nothing_is_answered_with_an_example_and_the_list():
    with pytest.raises(UsageError) as caught:
        ModelOptions(None, InputConfig()).name_for(named(None))
    for words in ("a.safetensors does not say which network", "torchvision:resnet50", "apcli list models"):
        assert words in str(caught.value)


def test_a_users_own_is_told_from_a_name():
    assert ModelOptions("net.py:net", InputConfig()).users == "net.py:net"
    assert ModelOptions("resnet20", InputConfig()).users is ModelOptions(None, InputConfig()).users is None

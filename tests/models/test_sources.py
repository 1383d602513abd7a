"""The registries of models: what is in which, what they say of a model, and names that are close."""

import pytest

from apcli.models.sources import REGISTRIES, close, has, known, size_option


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("resnet20", {"apcli"}),
        ("resnet18", {"torchvision", "timm"}),
        ("googlenet", {"torchvision"}),
        ("resnet18.a1_in1k", {"timm"}),
        ("resnet18.no_such_tag", set()),
        ("hf-hub:resnet18", set()),
        ("../resnet18", set()),
    ],
)
def test_who_has_it(name, there):
    assert {source for source in REGISTRIES if has(source, name)} == there


def test_every_name_that_is_known_is_there():
    for source in REGISTRIES:
        names = known(source)
        assert names
        assert all(has(source, name) for name in names[::100])


@pytest.mark.parametrize(
    ("source", "name", "option"),
    [
        ("apcli", "resnet20", None),
        ("torchvision", "resnet18", None),
        ("torchvision", "vit_b_16", "image_size"),
        ("torchvision", "maxvit_t", "input_size"),
        ("timm", "resnet18", None),
        ("timm", "test_vit", "img_size"),
    ],
)
def test_the_keyword_for_a_size_that_a_network_is_built_for(source, name, option):
    assert size_option(source, name) == option


def test_close_names_are_written_as_a_person_would():
    assert "resnet20" in close("ResNet21", ("apcli",))
    assert "torchvision:resnet18" in close("ResNet18")
    assert len(close("resnet18", ("timm",))) == 3
    assert close("no such thing at all") == []

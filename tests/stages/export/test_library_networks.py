"""A library takes the weights of the networks that it builds itself, and the others are refused in words."""

from dataclasses import replace
from typing import Any

import pytest
from channel_prunings import Branches

from apcli.errors import UsageError
from apcli.stages.export.library_networks import check_builds, spec_in


def test_a_tag_of_timm_is_no_part_of_a_name_elsewhere(exported: Any) -> None:
    spec = exported("timm").spec
    assert spec_in("timm", spec).name == "test_resnet.r160_in1k"
    assert (spec_in("torchvision", spec).name, spec_in("torchvision", spec).source) == ("test_resnet", "torchvision")
    assert spec_in("timm", replace(spec, name="a.py:net", source="user")).name == "a.py:net"


def test_a_library_takes_its_own(exported: Any) -> None:
    for library in ("torchvision", "timm"):
        one = exported(library)
        check_builds(library, one)
        assert spec_in(library, one.spec) == one.spec


@pytest.mark.parametrize("library", ["torchvision", "timm"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda make: make("apcli"), "is a resnet20 of apcli, which {library} does not have"),
        (lambda make: make(network=Branches()), "is a user's own net.py:net, which {library} does not have"),
        (lambda make: make("torchvision", kept={"classifier.1.weight": {"0": "0-5"}}), "is compact, and {library}"),
    ],
)
def test_others_are_refused_with_the_remedy(exported: Any, library: str, make: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_builds(library, make(exported))
    assert words.format(library=library) in str(caught.value)
    assert "--format onnx and torch-export take every network" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_network_of_the_same_name_is_refused(exported: Any) -> None:
    one = exported("torchvision")
    one.network.classifier[1].bias = None
    with pytest.raises(UsageError, match=r"torchvision builds squeezenet1_1 with other tensors \(classifier.1.bias\)"):
        check_builds("torchvision", one)

"""Which class a number means: from what torchvision's sets say, and between two lists of names."""

from types import SimpleNamespace

import pytest

from apcli.data.class_names import MOST, names_of, places_of


@pytest.mark.parametrize(
    ("source", "classes", "names"),
    [
        (SimpleNamespace(classes=["ant", "bee"]), 2, ("ant", "bee")),
        (SimpleNamespace(classes=["ant", "bee", "cat"]), 2, ("ant", "bee", "cat")),  # one has no images
        (SimpleNamespace(classes=["0 - zero", "1 - one"]), 2, ("0", "1")),
        (SimpleNamespace(classes=[("tench", "fish"), ("crane",)], wnids=["n01", "n02"]), 2, ("n01", "n02")),
        (SimpleNamespace(classes=[("tench", "fish"), ("crane",)]), 2, ()),
        (SimpleNamespace(classes=["ant"]), 2, ()),
        (SimpleNamespace(classes=["crane", "crane"]), 2, ()),
        (SimpleNamespace(classes=[str(n) for n in range(MOST + 1)]), 2, ()),
        (SimpleNamespace(), 2, ()),
        (None, 2, ()),
    ],
)
def test_names(source, classes, names):
    assert names_of(source, classes) == names


@pytest.mark.parametrize(
    ("names", "outputs", "places"),
    [
        (["a", "b"], ["b", "a"], [1, 0]),
        (["b"], ["a", "b", "c"], [1]),
        (["ant", "Zebra", "yak"], ["Ant", "bee", "zebra"], [0, 2, None]),
        (["a", "A"], ["A", "a"], [1, 0]),  # as in EMNIST: case tells them apart
        (["a"], ["A", "a"], [1]),
        (["b"], ["B", "a", "A"], [0]),
        (["a", "A"], ["a"], [0, None]),
    ],
)
def test_places(names, outputs, places):
    assert places_of(names, outputs) == places

"""A part of the training images: balanced, the same in every run, and the images of the whole set."""

import pytest
import torch

from apcli.data.parts import Subset, balanced
from apcli.errors import UsageError


def labels(*counts: int) -> torch.Tensor:
    ordered = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return ordered[torch.randperm(len(ordered), generator=torch.Generator().manual_seed(5))]


@pytest.mark.parametrize(
    ("counts", "images", "expected"),
    [
        ((50, 50, 50, 50), 20, [5, 5, 5, 5]),
        ((50, 50, 50, 50), 22, [6, 6, 5, 5]),
        ((50, 2, 50, 9), 40, [15, 2, 14, 9]),  # what two classes lack, the others give
        ((3, 0, 4), 5, [3, 0, 2]),
        ((2, 3), 5, [2, 3]),
        ((2, 3), 0, [2, 3]),
    ],
)
def test_each_class_gives_as_many_as_it_can(counts, images, expected):
    given = labels(*counts)
    chosen = balanced(given, images, "set")
    assert given[chosen].bincount(minlength=len(counts)).tolist() == expected
    assert chosen.tolist() == sorted(set(chosen.tolist()))


def test_a_part_is_the_same_each_time_and_lies_within_a_larger_one():
    given = labels(40, 60, 30)
    torch.manual_seed(1)
    first = balanced(given, 30, "set")
    torch.manual_seed(2)
    assert torch.equal(first, balanced(given, 30, "set"))
    assert set(first.tolist()) < set(balanced(given, 31, "set").tolist())
    assert first.max() > 100  # not the first of the file
    assert first.min() < 20


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (6, r"--images 6: pets has 5 to train: give no more, or 0 for all"),
        (1, r"--images 1: pets has 2 classes: give at least one image for each"),
    ],
)
def test_numbers_that_cannot_be(images, words):
    with pytest.raises(UsageError, match=words):
        balanced(labels(2, 3), images, "pets")


def test_a_part_stands_in_for_its_source():
    part = Subset(["a", "b", "c"], [2, 0], [7, 5])
    assert (len(part), part[0], part[1], part.targets) == (2, "c", "a", [7, 5])

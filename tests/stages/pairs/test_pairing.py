"""Which files are compared with which."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_files import TRAINED, entry, saved

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.errors import UsageError
from apcli.stages.pairs.pairing import pairs_of


@pytest.fixture
def files(tmp_path: Path) -> tuple[Checkpoint, Checkpoint, Checkpoint]:
    """A dense file and two that were pruned from it."""
    dense = read(saved(tmp_path / "dense.safetensors"))
    made = [dense]
    for name in ("one", "two"):
        link = dense.link(tmp_path)
        lineage = TRAINED.then("prune", {}, parent=link, dense=link, pruned={"fc.weight": Promise(2, 4)})
        write(tmp_path / f"{name}.safetensors", {"fc.weight": entry([[0, 0], [1, 2]])}, lineage)
        made.append(read(tmp_path / f"{name}.safetensors"))
    return made[0], made[1], made[2]


def names(*sources: Checkpoint, dense: str | None = None, pair: bool) -> list[tuple[str, str]]:
    return [(a.stem, b.stem) for a, b in pairs_of(sources, dense, pair=pair)]


def test_each_pruned_file_goes_with_its_ancestor_or_with_the_dense_one_that_is_given(files):
    _, one, two = files
    assert names(one, two, pair=False) == [("dense", "one"), ("dense", "two")]
    assert names(one, dense=str(two.path), pair=False) == [("two", "one")]


def test_two_files_are_a_pair_unless_both_are_pruned(files):
    dense, one, two = files
    assert names(dense, one, pair=True) == [("dense", "one")]
    assert names(one, dense, pair=True) == [("one", "dense")]  # which the stage refuses
    assert names(one, two, pair=True) == [("dense", "one"), ("dense", "two")]
    assert names(one, two, dense=str(dense.path), pair=True) == [("dense", "one"), ("dense", "two")]


def test_the_first_of_several_is_the_dense_one_of_those_that_name_it_or_none(files, tmp_path):
    dense, one, two = files
    assert names(dense, one, two, pair=False) == [("dense", "one"), ("dense", "two")]
    plain = []
    for number in range(3):
        save_file({"fc.weight": np.full((1, 2), number, np.float32)}, tmp_path / f"plain-{number}.safetensors")
        plain.append(read(tmp_path / f"plain-{number}.safetensors"))
    assert names(*plain, one, pair=False) == [("plain-0", "plain-1"), ("plain-0", "plain-2"), ("dense", "one")]
    (tmp_path / "dense.safetensors").rename(tmp_path / "moved.safetensors")
    moved = read(tmp_path / "moved.safetensors")
    assert names(moved, one, two, pair=False) == [("moved", "one"), ("moved", "two")]


def test_another_dense_network_among_them_is_no_pruned_one(files, tmp_path):
    dense, one, _ = files
    other = read(saved(tmp_path / "other.safetensors"))
    with pytest.raises(UsageError, match=r"other.safetensors does not say which dense file it came from"):
        names(dense, one, other, pair=False)
    with pytest.raises(UsageError, match=r"dense.safetensors does not say which dense file it came from"):
        names(dense, pair=False)
    assert names(pair=False) == []


def test_a_pair_is_two(files):
    dense, one, two = files
    for sources in ((one,), (dense, one, two)):
        with pytest.raises(UsageError, match=rf"{len(sources)} files are given for a pair: expected - to be one file"):
            names(*sources, pair=True)


def test_a_dense_file_alone_is_a_pair_with_itself_unless_another_is_given(files):
    dense, one, two = files
    assert [(a.stem, b.stem) for a, b in pairs_of(files, None, pair=False, alone=True)] == [
        ("dense", "dense"),
        ("one", "one"),
        ("two", "two"),
    ]
    assert [b is a for a, b in pairs_of([dense, one], None, pair=True, alone=True)] == [False]
    named = pairs_of([one, two], str(dense.path), pair=True, alone=True)
    assert [(a.stem, b.stem) for a, b in named] == [("dense", "one"), ("dense", "two")]

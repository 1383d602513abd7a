"""Which files are compared with which."""

from pathlib import Path

import pytest
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

"""Where products go, and what happens if something is there."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_files import saved

from apcli.checkpoints.reading import read
from apcli.errors import UsageError
from apcli.stages.export import FORMATS
from apcli.stages.export.places import Places

PROGRAM, FOLDER, STATE = (FORMATS.row(name) for name in ("torch-export", "timm", "torchvision"))


@pytest.fixture
def source(tmp_path: Path) -> Any:
    return read(saved(tmp_path / "net.safetensors"))


def test_products_lie_beside_their_checkpoint_or_in_a_folder(source: Any, tmp_path: Path) -> None:
    assert Places().place(source, PROGRAM) == tmp_path / "net.pt2"
    assert Places(Path("out")).place(source, FOLDER) == Path("out/net.timm")
    assert Places(Path("out/a.pth")).place(source, STATE) == Path("out/a.pth")
    assert Places(Path("out/a.timm")).place(source, FOLDER) == Path("out/a.timm")


@pytest.mark.parametrize(
    ("target", "rows", "checkpoints", "words"),
    [
        ("a.pt2", [PROGRAM, FOLDER], 1, "is one product but several come out: expected a folder"),
        ("a.pt2", [PROGRAM], 2, "is one product but several come out: expected a folder"),
        ("a.pt2", [FOLDER], 1, "a product of --format timm ends in .timm"),
        ("-", [PROGRAM], 1, "--output - is for checkpoints"),
    ],
)
def test_a_name_that_cannot_be(target: str, rows: Any, checkpoints: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Places(Path(target), checkpoints=checkpoints).expect(rows)


def test_no_product_is_written_twice(source: Any) -> None:
    for target in (Path("out"), Path("out/a.pt2")):
        places = Places(target)
        places.place(source, PROGRAM)
        with pytest.raises(UsageError, match="would be written twice"):
            places.place(source, PROGRAM)


def test_a_checkpoint_is_not_lost(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(2, 2)}, tmp_path / "net.pth")
    with pytest.raises(UsageError, match="is the checkpoint, and would be lost"):
        Places(tmp_path / "net.pth", overwrite=True).place(read(tmp_path / "net.pth"), STATE)


@pytest.mark.parametrize("name", ["net.pt2", "net.timm"])
def test_the_same_is_kept_and_another_is_not_overwritten(name: str, tmp_path: Path) -> None:
    place, draft = tmp_path / "there" / name, tmp_path / "draft"
    inner = draft / name if name == "net.pt2" else draft / name / "config.json"
    inner.parent.mkdir(parents=True)
    inner.write_text("one")
    placed = place if name == "net.pt2" else place / "config.json"
    assert Places().put(draft, place)
    before = placed.stat().st_mtime_ns
    assert not Places(overwrite=True).put(draft, place)
    assert placed.stat().st_mtime_ns == before
    inner.write_text("other")
    with pytest.raises(UsageError, match="exists and is another one: --overwrite replaces it"):
        Places().put(draft, place)
    assert placed.read_text() == "one"
    assert Places(overwrite=True).put(draft, place)
    assert placed.read_text() == "other"
    assert sorted(path.name for path in placed.parent.iterdir()) == [placed.name]

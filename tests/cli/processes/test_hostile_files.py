"""Files of strangers at the command line: one line, nothing written elsewhere, no code run, the terminal left alone.

Each file of ``hostile_files`` goes to every command that reads its kind; ``planted.py`` lies beside it, and would say
so if any of the names in a file chose it as code.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile_files
import numpy as np
import pytest

SHOWS = "\x1b\x9b\x07\u202e"  # what no output may hold, whatever a file says
PLANTED = (
    "from pathlib import Path\n(Path(__file__).parents[1] / 'code was run').touch()\n\ndef hit(*given, **more): ...\n"
)


class Stranger:
    """A shell whose folder has one above it, where nothing may appear."""

    def __init__(self, shell: Any, root: Path) -> None:
        self.shell, self.root = shell, root
        (shell.folder / "planted.py").write_text(PLANTED)
        self.outside = self._outside()

    def _outside(self) -> set[Path]:
        inside = (self.shell.folder, self.shell.temporary)
        return {path for path in self.root.rglob("*") if not any(path.is_relative_to(one) for one in inside)}

    def __call__(self, command: str, stdin: bytes | None = None) -> Any:
        """Run a command, and hold it to the contract of whatever is read."""
        before = set(self.shell.folder.iterdir())
        result = self.shell(command, stdin)
        said = f"{command}: {result.err[:500]!a}"
        assert result.code in (0, 1, 2, 3), said
        if result.code:
            assert result.err.startswith("apcli: error: "), said
            assert len(result.complaints) == 1, said
        assert len(result.err) < 12_000 * max(1, len(result.complaints)), said
        assert "APCLI_DEBUG" not in result.err, said
        assert all(line.isprintable() for line in result.complaints), said
        if b"\0" not in result.raw:
            assert not set(SHOWS) & set(result.out), f"{command}: {result.out[:500]!a}"
        assert self._outside() == self.outside, said
        assert self.shell.leftovers() == [], said
        for made in set(self.shell.folder.iterdir()) - before:
            kept = made.name.endswith(".records.jsonl")  # the good lines of a pipe, which the message names
            assert not result.code or kept, f"{said} left {made.name}"
            made.unlink()
        return result


@pytest.fixture
def stranger(tmp_path: Path, open_shell: Any) -> Stranger:
    (tmp_path / "above" / "work").mkdir(parents=True)
    return Stranger(open_shell(tmp_path / "above" / "work"), tmp_path)


CHECKPOINTS = (
    "prune a --sparsity 0.5",
    "prune a --sparsity 0.5 --dry-run",
    "prune a --sparsity 0 --storage bitmask",
    "divergence a a",
    "bounds a a",
    "report a --no-macs",
    "report --json --verify a --no-macs",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile_files.SAFETENSORS)
def test_a_file_that_is_wrong(stranger: Stranger, name: str) -> None:
    content = hostile_files.SAFETENSORS[name]
    (stranger.shell.folder / "a.safetensors").write_bytes(content)
    for command in CHECKPOINTS:
        assert stranger(command).code == 1
    assert stranger("prune - -o - --sparsity 0.5", content).code in (1, 2)  # 2: read as lines of paths


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile_files.ODD)
def test_a_file_that_is_odd(stranger: Stranger, name: str) -> None:
    (stranger.shell.folder / "a.safetensors").write_bytes(hostile_files.ODD[name])
    codes = [stranger(command).code for command in CHECKPOINTS]
    assert codes[-2:] == [0, 0]
    stranger("prune - -o - --sparsity 0.5", hostile_files.ODD[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile_files.INDEXES)
def test_an_index_that_is_wrong(stranger: Stranger, plain: dict[str, np.ndarray], name: str) -> None:
    stranger.shell.save("a.safetensors", plain)
    (stranger.shell.folder / "a.safetensors").rename(stranger.shell.folder / "b.safetensors")
    (stranger.shell.folder / "a.safetensors.index.json").write_bytes(hostile_files.INDEXES[name])
    for command in CHECKPOINTS:
        assert stranger(command).code == 1


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory, open_shell: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A lineage with something in every field, and its tensors."""
    shell = open_shell(tmp_path_factory.mktemp("lineage"))
    draw = np.random.default_rng(0)
    shapes = {"conv.weight": (8, 1, 3, 3), "fc1.weight": (30, 40), "fc2.weight": (10, 30)}
    shell.save("base.safetensors", {name: draw.standard_normal(shape).astype("f4") for name, shape in shapes.items()})
    assert shell("prune base --sparsity 0.3 -o a.safetensors").code == 0
    scores = {"loss": 1.0, "accuracy": 50.0, "top5": None}
    full = {
        "model": {"name": "fc5", "source": "apcli", "num_classes": 10, "input_size": [1, 8, 8], "mean": [0.5],
                  "std": [0.5], "last": "fc2.weight"},
        "data": {"name": "digits", "classes": 10, "images": [1442, 355]},
        "classes": [str(digit) for digit in range(10)],
        "seed": 0,
        "history": [{"epoch": 1, "lr": 0.1, "running": scores, "test": scores}],
        "metrics": {"test": scores, "train": None},
        "dense_metrics": {"test": scores},
        "layers": {"weights": {"linear": ["fc1.weight", "fc2.weight"], "convolution": ["conv.weight"]},
                   "tied": {"fc1.weight": ["fc3.weight"]}, "through": {}, "refused": {}},
    }  # fmt: skip
    return {**shell.lineage("a.safetensors"), **full}, shell.tensors("a.safetensors")


LYING = (
    "prune lying -q --sparsity 0.5",
    "divergence lying --dense base -q",
    "bounds base lying -q",
    "report lying -q --no-macs",
    "report -q --no-macs lying base",
    "report --json -q --no-macs lying",
)


def spoilt(lineage: dict[str, Any], nested: int) -> Iterator[str]:
    for _, members in hostile_files.spoilt(lineage, nested):
        yield json.dumps(members)


def lie(stranger: Stranger, lineage: tuple[dict[str, Any], dict[str, np.ndarray]], texts: list[str]) -> int:
    """How many runs the lies were given to."""
    _, tensors = lineage
    stranger.shell.save("base.safetensors", tensors)
    for text in texts:
        stranger.shell.save("lying.safetensors", tensors, {"apcli": text})
        for command in LYING:
            stranger(command)
    return len(texts) * len(LYING)


@pytest.mark.slow
def test_a_lineage_that_lies(stranger: Stranger, lineage: Any) -> None:
    """A sample; ``test_every_lineage_that_lies`` has all."""
    deep = ["[" * 200_000, '{"version": 1, "a": ' + "[" * 100_000 + "]" * 100_000 + "}"]
    assert lie(stranger, lineage, deep + list(spoilt(lineage[0], 3))[::97]) > 100


@pytest.mark.long
def test_every_lineage_that_lies(stranger: Stranger, lineage: Any) -> None:
    assert lie(stranger, lineage, list(spoilt(lineage[0], 4))) > 10_000


@pytest.fixture
def records(stranger: Stranger, plain: dict[str, np.ndarray]) -> dict[str, list[str]]:
    """A line of each kind of record."""
    stranger.shell.save("base.safetensors", plain)
    assert stranger.shell("prune base --sparsity 0.3 -o a.safetensors").code == 0
    commands = ("divergence a --dist ap2,gaussian", "report --json --no-macs a", "bounds base a --json")
    return {command.split()[0]: stranger.shell(f"{command} -q").lines[:4] for command in commands}


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile_files.LINES)
def test_a_line_that_is_no_record(stranger: Stranger, records: dict[str, list[str]], name: str) -> None:
    good, bad = "\n".join(records["divergence"]).encode(), hostile_files.LINES[name]
    for lines in (bad, good + b"\n" + bad, bad + b"\n" + good):
        assert stranger("report - -q -o p.html", lines).code in range(4)
        stranger("report - -q -o - --format md", lines)


def tell(stranger: Stranger, records: dict[str, list[str]], nested: int, step: int) -> int:
    """How many runs records that lie were given to."""
    count = 0
    for first, *others in records.values():
        for _, members in list(hostile_files.spoilt(json.loads(first), nested))[::step]:
            lines = "\n".join([json.dumps(members), *others]).encode()
            for page in ("p.html", "p.md", "p.csv"):
                stranger(f"report - -q -o {page}", lines)
                count += 1
    return count


@pytest.mark.slow
def test_a_record_that_lies(stranger: Stranger, records: dict[str, list[str]]) -> None:
    """A sample; ``test_every_record_that_lies`` has all."""
    assert tell(stranger, records, 2, 131) > 20


@pytest.mark.long
def test_every_record_that_lies(stranger: Stranger, records: dict[str, list[str]]) -> None:
    assert tell(stranger, records, 2, 1) > 3000


NPY = b"\x93NUMPY\1\0"
MATRICES = {
    "nothing": b"",
    "its beginning": NPY[:6],
    "a head that is cut": NPY + b"\xff\xff" + b"{" * 100,
    "a claim of 80 GB": NPY
    + b"v\0{'descr': '<f8', 'fortran_order': False, 'shape': (99999, 99999)}"
    + b" " * 50
    + b"\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("content", MATRICES.values(), ids=MATRICES)
def test_a_matrix_that_is_none(stranger: Stranger, plain: dict[str, np.ndarray], content: bytes) -> None:
    stranger.shell.save("a.safetensors", plain)
    (stranger.shell.folder / "m.npy").write_bytes(content)
    assert stranger("divergence a a --layers fc2 --dist gaussian:cov=full:path=m.npy").code in (1, 2)


def test_no_pickle_in_a_matrix(stranger: Stranger, plain: dict[str, np.ndarray]) -> None:
    stranger.shell.save("a.safetensors", plain)
    marker = stranger.root / "above" / "code was run"

    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(marker),)

    array = np.empty((1, 1), object)
    array[0, 0] = Planted()
    np.save(stranger.shell.folder / "m.npy", array, allow_pickle=True)
    assert stranger("divergence a a --layers fc2 --dist gaussian:cov=full:path=m.npy").code in (1, 2)
    assert not marker.exists()

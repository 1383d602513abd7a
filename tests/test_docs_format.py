"""The page of the checkpoint format: its NumPy reader reads real files, its tables name what they hold."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

import apcli
from apcli import errors
from apcli.checkpoints import reading
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.safetensors_files import write_file

PAGE = (Path(__file__).parents[1] / "docs" / "checkpoint-format.md").read_text()
OF_SOME_FILES = {"allocation", "sizes", "norm_difference"}  # of compact files, and of those alone that need them
SHAPES = {"a.weight": (7, 5), "b.weight": (3, 4, 3, 3), "c.weight": (129, 65)}  # of sizes that fill no byte, too
TYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page's function, as a reader of the page would copy it."""
    (text,) = re.findall(r"<!-- test: reads a file -->\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    body = text[text.index("def read_bitmasks") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 20
    file = tmp_path_factory.mktemp("page") / "reader.py"
    file.write_text(text)
    return runpy.run_path(str(file))["read_bitmasks"]


@pytest.fixture(scope="module", params=TYPES)
def packed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that ``apcli prune --storage bitmask`` wrote, of tensors of one type."""
    folder = tmp_path_factory.mktemp(request.param)
    draw = np.random.default_rng(0)
    entries = {}
    for name, shape in SHAPES.items():
        values = draw.standard_normal(shape).astype("f4")
        data = values.view("u4") >> 16 if request.param == "BF16" else values
        entries[name] = Entry(request.param, shape, data.astype(TYPES[request.param]).reshape(-1).view("u1"))
    write_file(folder / "model.safetensors", entries, {})
    (pruned,) = apcli.prune(folder / "model.safetensors", sparsity=0.8, storage="bitmask")
    return Path(pruned.path)


def test_the_page_s_reader_gives_what_apcli_reads(reader: Any, packed: Path) -> None:
    found, expected = reader(packed), reading.read(packed).entries
    assert found.keys() == expected.keys() == SHAPES.keys()
    for name, entry in expected.items():
        assert found[name].shape == entry.shape == SHAPES[name]
        assert np.array_equal(found[name].view(f"u{entry.width}").reshape(-1), entry.bits_of(0, entry.size))
        assert np.count_nonzero(found[name].view(f"u{entry.width}")) == entry.size - round(0.8 * entry.size)


def table(title: str) -> list[str]:
    """The first column of the table in a section."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    return [line.split("|")[1].strip(" `") for line in section[1].splitlines() if line.startswith("|")][2:]


def test_the_table_of_the_lineage_has_its_keys(packed: Path) -> None:
    with safe_open(packed, "numpy") as file:
        lineage = json.loads(file.metadata()["apcli"])
    assert sorted({*table("Lineage")} - OF_SOME_FILES) == sorted(lineage)


def test_every_stage_that_a_lineage_can_name_is_listed() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `stage` |")]
    code = "".join(path.read_text() for path in Path(apcli.__file__).parent.rglob("*.py"))
    named = re.findall(r'\.then\(\s*"(\w+)"|\bstage="(\w+)"', code)
    assert {first or second for first, second in named} == set(re.findall(r"`(\w+)`", row)) - {"stage", "report"}


def test_the_table_of_exit_codes_has_those_of_the_errors() -> None:
    codes = {error.exit_code for error in (errors.ApcliError, errors.UsageError, errors.VerificationError)}
    assert {int(code) for code in table("Exit codes")} == {0, 130, 143} | codes

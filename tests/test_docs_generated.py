"""The pages that come from the code (``docs/generate.py``) are what the code says now."""

import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

from apcli.registry.tables import Row, Table

# The oldest Typer, on top of the newest Click, has lost what the arguments' help says.
pytestmark = pytest.mark.skipif(find_spec("typer._click") is None, reason="Typer without a Click of its own")

GENERATE = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "generate.py"))
PAGES = GENERATE["pages"]()


def cells(line: str) -> list[str]:
    """The cells of a table's line as GitHub counts them: at bars without a backslash before them."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_page_is_up_to_date(path: Path) -> None:
    assert path.read_text() == PAGES[path], f"{path.name} is out of date: run `make docs`"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_line_of_a_table_has_the_cells_of_its_head(path: Path) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", PAGES[path], re.MULTILINE)
    assert tables
    for table in tables:
        head, *lines = map(cells, table.splitlines())
        assert {len(line) for line in lines} == {len(head)}


def test_a_bar_stays_in_its_cell() -> None:
    table = Table("thing", (Row("name", "m:f", "|w| of p(y | x)", "a|b", (), {"key": 1}),))
    line = GENERATE["method_table"](table).splitlines()[2]
    assert cells(line) == ["`name`", r"\|w\| of p(y \| x)", "`key=1`", r"a\|b"]


def test_every_option_is_documented() -> None:
    page = PAGES[GENERATE["FOLDER"] / "cli.md"]
    count = 0
    for name, command, context in GENERATE["commands"]():
        section = re.search(rf"^## {name}\n.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert section is not None, name
        rows = [cells(line)[:2] for line in section[0].splitlines() if line.startswith("|")]
        for parameter in command.get_params(context):
            shown, meaning, _ = GENERATE["cells_of"](parameter)
            assert meaning, f"{name} {parameter.opts[0]} has no help"
            assert [GENERATE["escaped"](cell) for cell in (shown, meaning)] in rows, f"{name} {parameter.opts[0]}"
            count += 1
    assert count > 150


def test_all_commands_are_found() -> None:
    names = [name for name, _, _ in GENERATE["commands"]()]
    assert names[0] == "apcli"
    assert {"apcli train", "apcli prune", "apcli finetune", "apcli divergence", "apcli report"} <= set(names)


def test_lines_of_examples_are_kept_apart() -> None:
    """Typer joins the lines of a paragraph that does not begin with its mark."""
    for name, command, _ in GENERATE["commands"]():
        examples = [text for text in command.help.split("\n\n") if text.replace("\b", "").strip().startswith("apcli ")]
        assert examples, name
        assert all(text.strip(" ").startswith("\b\n") for text in examples), name

"""The README's tables are made from the registries' rows. ``make readme`` writes them anew."""

import re
from pathlib import Path

import pytest

from apcli.allocations import SCOPES, SPARSITY_SCHEDULES
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.data import AUGMENTATIONS, DATASETS
from apcli.models import MODELS
from apcli.projections import COVARIANCES, DISTRIBUTIONS
from apcli.registry.tables import Table
from apcli.theory import ESTIMATORS, MEASURES
from apcli.training.optim import OPTIMISERS, SCHEDULES

README = Path(__file__).parents[1] / "README.md"
TABLES = [METHODS, FILTER_METHODS, SCOPES, SPARSITY_SCHEDULES, DISTRIBUTIONS, COVARIANCES, MEASURES, ESTIMATORS]
TABLES += [MODELS, DATASETS, AUGMENTATIONS, OPTIMISERS, SCHEDULES]


def section(kind: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- table: {kind} -->\n).*?(?=<!-- end -->)", re.DOTALL)


def markdown(table: Table) -> str:
    rows = [("name", "what it is", "parameters", "source"), ("---",) * 4]
    for row in table:
        parameters = ", ".join(f"{key}={value}" for key, value in row.parameters.items())
        rows.append((f"`{row.name}`", row.summary, f"`{parameters}`" if parameters else "", row.source))
    return "".join(f"| {' | '.join(map(escaped, cells))} |\n".replace("|  |", "| |") for cells in rows)


def escaped(cell: str) -> str:
    """A bar inside a cell, in code too, would begin the next cell (GitHub Flavored Markdown, tables)."""
    return cell.replace("|", r"\|")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
def test_the_table_says_what_the_rows_say(table: Table) -> None:
    found = section(table.kind).search(README.read_text())
    assert found is not None, f"README.md has no table of {table.kind}"
    assert found[0] == markdown(table), "run `make readme`"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
def test_every_line_has_four_cells(table: Table) -> None:
    """Cells counted as GitHub does: at bars without a backslash before them."""
    found = section(table.kind).search(README.read_text())
    assert found is not None
    assert {len(re.split(r"(?<!\\)\|", line.strip("| "))) for line in found[0].splitlines()} == {4}


if __name__ == "__main__":
    text = README.read_text()
    for each in TABLES:
        text = section(each.kind).sub(markdown(each).replace("\\", r"\\"), text)
    README.write_text(text)

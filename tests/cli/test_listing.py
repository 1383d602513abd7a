"""``apcli list``."""

from typing import Any

import pytest

from apcli.cli.listing import TABLES
from apcli.cli.options import completion


def test_all_tables_are_listed(shell: Any) -> None:
    rows = [line.split("\t") for line in shell("list").lines]
    assert [row[0] for row in rows] == list(TABLES)
    assert "lowest" in rows[0][2]


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_each_table_lists_its_rows(shell: Any, name: str) -> None:
    result = shell(f"list {name}")
    assert [line.split("\t")[0] for line in result.lines] == TABLES[name][0].names
    assert result.err == ""


def test_a_row_says_its_parameters_and_source(shell: Any) -> None:
    lines = shell("list distributions student-t").lines
    assert lines[0].startswith("student-t: multivariate Student-t")
    assert any(line.startswith("  df=4.0") for line in lines)
    assert any(line.startswith("  cov=") and "activation" in line for line in lines)
    assert lines[-1].startswith("  source: arXiv:2403.00155")


def test_models_of_libraries_are_found_by_a_pattern(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["torchvision:resnet18", "torchvision:vgg16", "timm:resnet18"]
    monkeypatch.setattr(completion, "library_models", lambda: names)
    assert shell("list models 'resnet*'").lines == [names[0], names[2]]
    assert shell("list models vgg16").lines == [names[1]]
    shell.refuses("list models resnt20", 2, "did you mean 'resnet20'")


def test_what_is_not_there_is_named(shell: Any) -> None:
    shell.refuses("list method", 2, "no table 'method'", "methods")
    shell.refuses("list methods lowst", 2, "did you mean 'lowest'")

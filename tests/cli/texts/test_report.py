"""A report on the terminal: the answers of the page, and two tables that fit."""

from pathlib import Path
from typing import Any

import pytest
from grids import made_once
from studies import only_group

from apcli.cli.layout.sparklines import BARS
from apcli.cli.layout.text import cells
from apcli.cli.texts.report import accuracy_grid, agreement_grid, lines_of_report
from apcli.records import lines
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.checklist import checklist
from apcli.stages.report.answers.done import done
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.overview import accuracy_tables, following
from apcli.stages.report.words import sentences

SMALL: dict[str, Any] = {"seeds": (0, 1), "epochs": 2, "sparsities": (0.1, 0.5)}


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_it_says_what_the_page_says() -> None:
    report = build(made_once(**SMALL))
    (group,) = report.groups
    text = words_of("\n".join(lines_of_report(report, 80)))
    assert text.startswith(done(report, group))
    for answer in answers(report, group):
        assert f"{answer.question} {answer.number} {answer.sentence} {sentences(answer.sureness)[0]}".strip() in text
    checks = checklist(report, group)
    missing = [check for check in checks if not check.passed]
    assert f"Before you trust it: {len(missing)} of {len(checks)} points of the checklist are open" in text
    assert [f"{words_of(check.item)}: {words_of(check.reason)}" in text for check in missing] == [
        place < 3 for place in range(len(missing))
    ]


def test_a_row_for_each_method_with_a_bar_for_each_sparsity() -> None:
    table = accuracy_tables(only_group(made_once(**SMALL)))[-1]
    grid = accuracy_grid(table)
    assert [column.title for column in grid.columns] == ["method", "0.1", "0.5", "over sparsity"]
    for row, shown in zip(table.rows, grid.rows, strict=True):
        means = [estimate.mean for estimate in row.estimates if estimate]
        assert shown[:3] == [row.method, *(f"{mean:.1f}" for mean in means)]
        assert len(shown[3]) == 2
    bars = [(mean.mean, bar) for row, shown in zip(table.rows, grid.rows, strict=True)
            for mean, bar in zip(row.estimates, shown[3], strict=True) if mean]  # fmt: skip
    assert [bar for _, bar in sorted(bars)] == sorted(bar for _, bar in bars), "one scale for all rows"
    assert grid.caption == "Each number is the mean of 2 dense networks; dense 91.3, the mean of 2 dense networks."


def test_of_one_sparsity_the_bars_are_epochs() -> None:
    (grid,) = (accuracy_grid(accuracy_tables(only_group(made_once(epochs=3, sparsities=(0.5,), seeds=(0,))))[-1]),)
    assert grid.columns[-1].title == "over epochs"
    assert {len(row[-1]) for row in grid.rows} == {4}
    assert grid.caption.startswith("Each number is that of one seed; dense 91.5, that of one seed")


def test_measures_stand_in_the_order_of_their_agreement() -> None:
    rows = [row for row in following(only_group(made_once(**SMALL))) if row.target.words == "test loss"]
    grid = agreement_grid(rows)
    assert grid.title.endswith("with the loss difference on test images (PD)")
    taus = [float(row[1].replace("−", "-")) for row in grid.rows]
    assert taus == sorted(taus, reverse=True)
    assert {row[0] for row in grid.rows} == {row.measure.label for row in rows}
    assert all(len(row[-1]) == 3 and set(row[-1]) <= set(BARS) for row in grid.rows)
    assert grid.caption.splitlines() == [
        "Over runs of one dense network; 2 dense networks.",
        "Within networks: over the epochs of each of 12 pruned networks.",
    ]


@pytest.mark.parametrize("width", [20, 30, 47, 60, 80, 120])
def test_it_fits(width: int) -> None:
    listed = list(lines_of_report(build(made_once(**SMALL)), width))
    assert max(map(cells, listed)) <= width


def records_of(shell: Any, **kinds: Any) -> Path:
    path: Path = shell.folder / "records.jsonl"
    path.write_text("".join(f"{lines.dump(record.to_json())}\n" for record in made_once(**kinds)))
    return path


def test_a_terminal_gets_it_and_standard_output_gets_paths(shell: Any) -> None:
    records_of(shell, epochs=0, seeds=(0,))
    shown = shell("report records.jsonl -o r.md", terminal="stderr", TERM="dumb")
    assert (shown.code, shown.lines) == (0, ["r.md"])
    assert "resnet20 on cifar10" in shown.err
    assert "Test accuracy in percent by sparsity" in shown.err
    again = shell("report records.jsonl -o r.md", terminal="stderr", TERM="dumb")
    assert "r.md is already there, the same: kept" in words_of(again.err)
    assert "Test accuracy in percent by sparsity" in again.err
    page = shell("report records.jsonl -o -", terminal="stderr", TERM="dumb")
    assert page.out.startswith("<!DOCTYPE html>")
    assert "Test accuracy in percent by sparsity" in page.err


@pytest.mark.parametrize(("option", "terminal"), [("", ""), ("", "stdout"), ("--quiet", "stderr")])
def test_nobody_else_gets_it(shell: Any, option: str, terminal: str) -> None:
    records_of(shell, epochs=0, seeds=(0,))
    result = shell(f"report records.jsonl -o r.md {option}", terminal=terminal, TERM="dumb")
    assert (result.code, result.lines) == (0, ["r.md"])
    assert "accuracy" not in result.err


def test_a_terminal_without_the_characters_gets_others(shell: Any) -> None:
    records_of(shell, epochs=0, seeds=(0,))
    shown = shell("report records.jsonl -o r.md", terminal="stderr", encoding="latin-1", TERM="dumb")
    assert not set(BARS) & set(shown.err)
    row = next(line for line in shown.err.splitlines() if line.startswith("highest"))
    assert set(row.split()[-1]) <= set("_.-:=+*#")

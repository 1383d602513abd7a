"""``apcli report RECORDS``: what is there already is kept, and odd characters go into the page."""

from pathlib import Path
from typing import Any

import pytest
from grids import made_once

import apcli
from apcli.configs.report import FORMATS


def test_a_report_in_the_way(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.3")
    records, page = shell("divergence a.lowest-0.3 --dist ap2").raw, shell.folder / "report.html"
    page.write_text("notes of mine")
    shell.refuses("report -o report.html", 2, "report.html", "--overwrite", stdin=records)
    shell.refuses("report -o report.html", 2, "report.html", "--overwrite", stdin=b"no record is read before")
    assert shell("report -o report.html --overwrite", records).code == 0
    assert "notes of mine" not in page.read_text()


@pytest.mark.slow
def test_a_grid_that_grows(shell: Any, a: Path) -> None:
    """The report of fewer methods is replaced; one of others is not, and then the records are not lost."""
    shell("prune a --sparsity 0.3 --method lowest,highest")
    small = shell("divergence a.lowest-0.3 --dist ap2").raw
    large = small + shell("divergence a.highest-0.3 --dist ap2").raw
    assert shell("report", small).code == shell("report", large).code == 0
    page = (shell.folder / "report.html").read_bytes()
    assert b"highest" in page
    sentence = "report.html exists and has 4 records that the new report lacks"
    shell.check_refusal(shell("report", small), 2, sentence, "the 4 records are kept in report.records.jsonl")
    assert (shell.folder / "report.html").read_bytes() == page
    assert (shell.folder / "report.records.jsonl").read_bytes() == small
    shell.refuses("report report.records.jsonl", 2, sentence)  # they are in a file already
    assert shell("report report.records.jsonl --overwrite").code == 0


def test_records_with_half_a_character_make_a_page(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.5")
    (shell.folder / "records").write_bytes(
        shell("divergence a.lowest-0.5 --dist ap2").raw.replace(b'"path": "a.', rb'"path": "\ud800a.')
    )
    assert b"ud800" in (shell.folder / "records").read_bytes()
    result = shell("report records -o page.html --format html,md,csv")
    assert result.code == 0, result.err
    assert (shell.folder / "page.html").read_bytes().decode()


def test_few_checkpoints_are_compared_and_described_and_many_are_compared(shell: Any, a: Path) -> None:
    assert shell("prune a --sparsity 0.2,0.4,0.6,0.8").code == 0
    names = [f"a.lowest-{share}" for share in (0.2, 0.4, 0.6, 0.8)]
    few, many = (f"report --no-macs {' '.join(some)}" for some in (names[:2], names))
    result = shell(few)
    size = (shell.folder / "a.lowest-0.2.safetensors").stat().st_size
    assert (result.lines[0], result.err) == (f"2 checkpoints; of all: method lowest, scope layer, bytes {size:,}", "")
    assert [result.out.count(word) for word in ("  sha256  ", "\nfile ")] == [2, 1]
    result = shell(many)
    assert [result.out.count(word) for word in ("  sha256  ", "\nfile ")] == [0, 1]
    assert result.err == "apcli: --details describes each of them, with its layers\n"
    assert shell(f"{many} --quiet").err == ""
    assert [shell(f"{many} --details").out.count(word) for word in ("  sha256  ", "\nfile ")] == [4, 1]
    assert [shell(f"{few} --no-details").out.count(word) for word in ("  sha256  ", "\nfile ")] == [0, 1]
    assert [shell("report a --no-macs").out.count(word) for word in ("  sha256  ", "\nfile ")] == [1, 0]
    assert [record["path"] for record in shell(f"{many} --json").records] == [f"{name}.safetensors" for name in names]


def test_what_was_described_before_an_error_is_shown(shell: Any, a: Path) -> None:
    half = a.read_bytes()[:-100]
    (shell.folder / "half.safetensors").write_bytes(half)
    result = shell("report --no-macs a a half")
    assert (result.code, result.out.count("  sha256  ")) == (1, 2)
    assert "half.safetensors" in result.err


@pytest.mark.parametrize("command", ["report a --details --json", "report a --no-details --verify"])
def test_details_are_those_of_text(shell: Any, a: Path, command: str) -> None:
    shell.refuses(command, 2, "--details and --no-details go with")


def test_help_and_docstring_list_every_format(shell: Any) -> None:
    listed = ", ".join(FORMATS)
    assert f"--format LIST  {listed};" in " ".join(shell("report --help").out.split()).replace("LIST ", "LIST  ")
    assert f"of {listed}; default" in (apcli.report.__doc__ or "")


def test_every_format_of_the_same_records_from_python(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shell.folder)
    records = made_once(epochs=0, seeds=(0,))
    written = apcli.report(records, output="r", format=["md", "csv", "json", "tex"])
    assert [path.name for path in written] == ["r.md", "r.csv", "r.order.csv", "r.json", "r.tex"]
    before = shell.snapshot()
    assert apcli.report(records[:9] + records, output="r", format=["md", "json", "tex"])  # the same, in another order
    assert shell.snapshot() == before
    with pytest.raises(apcli.UsageError, match=r"r\.json exists and has \d+ records that the new report lacks"):
        apcli.report(records[:9], output="r", format="json")


OF_CHECKPOINTS = ("--json", "--verify", "--details", "--no-details")


@pytest.mark.parametrize("option", OF_CHECKPOINTS)
def test_records_do_not_go_with_options_of_checkpoints(shell: Any, a: Path, option: str) -> None:
    record = '{"kind": "divergence", "version": 1}\n'
    (shell.folder / "records.jsonl").write_text(record)
    shell.refuses(f"report records.jsonl {option}", 2, f"{option} goes with checkpoints")
    shell.refuses(f"report {option}", 2, "standard input holds records", stdin=record.encode())
    shell.refuses(f"report {option}", 2, "standard input is empty", stdin=b"")


@pytest.mark.parametrize("option", OF_CHECKPOINTS)
def test_checkpoints_are_described_from_a_pipe(shell: Any, a: Path, option: str) -> None:
    """Their paths or bytes, with an option that says so; what is printed is that of the same files as arguments."""
    paths = shell("prune a --sparsity 0.2,0.4").raw
    wanted = shell(f"report a.lowest-0.2 a.lowest-0.4 {option}")
    for dash in ("", "-"):
        assert shell(f"report {option} {dash}", paths) == wanted
    assert wanted.code == 0
    assert shell("report --json", a.read_bytes()).records[0]["sha256"] == shell("report a --json").records[0]["sha256"]
    shell.refuses(f"report {option} -o page.html", 2, "--output", "go with records", stdin=paths)

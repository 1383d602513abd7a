"""``apcli report RECORDS``: what is there already is kept, and odd characters go into the page."""

from pathlib import Path
from typing import Any

import pytest


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

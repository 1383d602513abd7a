"""``apcli report RECORDS``: what is there already is kept, and odd characters go into the page."""

from pathlib import Path
from typing import Any


def test_a_report_in_the_way(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.3")
    records, page = shell("divergence a.lowest-0.3 --dist ap2").raw, shell.folder / "report.html"
    page.write_text("notes of mine")
    shell.refuses("report -o report.html", 2, "report.html", "--overwrite", stdin=records)
    assert shell("report -o report.html --overwrite", records).code == 0
    assert "notes of mine" not in page.read_text()


def test_records_with_half_a_character_make_a_page(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.5")
    (shell.folder / "records").write_bytes(
        shell("divergence a.lowest-0.5 --dist ap2").raw.replace(b'"path": "a.', rb'"path": "\ud800a.')
    )
    assert b"ud800" in (shell.folder / "records").read_bytes()
    result = shell("report records -o page.html --format html,md,csv")
    assert result.code == 0, result.err
    assert (shell.folder / "page.html").read_bytes().decode()

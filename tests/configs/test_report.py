"""Options of reports: where the files go, and what is refused."""

from pathlib import Path

import pytest

from apcli.configs.report import ReportConfig, stem_of
from apcli.errors import UsageError


@pytest.mark.parametrize(
    ("output", "stem", "ending"),
    [
        (None, "report", "html"),
        ("a/b.md", "a/b", "md"),
        ("a.b", "a.b", "b"),
        ("new/", "new/report", "html"),
        ("tables.tex", "tables", "tex"),
    ],
)
def test_the_ending_of_output_is_the_format(output, stem, ending):
    assert stem_of(output) == (Path(stem), ending)


def test_a_folder_gets_the_usual_name(tmp_path):
    assert stem_of(tmp_path) == (tmp_path / "report", "html")


def test_options_are_read_as_they_are_given():
    assert ReportConfig.of() == ReportConfig(Path("report"), ("html",), None, "measured", False)
    assert ReportConfig.of("x.html", "md,csv", "figures", "published", True) == ReportConfig(
        Path("x"), ("md", "csv"), Path("figures"), "published", True
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"formats": "docx"}, "unknown format 'docx': known are html"),
        ({"formats": "html,png"}, "--format png: figures are no report: --figures DIR"),
        ({"output": "x.b"}, "unknown format 'b'"),
        ({"scale": "paper"}, "unknown scale 'paper': known are measured, published"),
        ({"figures": __file__}, "is a file: expected a folder"),
    ],
)
def test_nonsense_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        ReportConfig.of(**options)

"""Write a report in every format."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from apcli.checkpoints.files.staging import staged
from apcli.errors import UsageError
from apcli.figures.style import png, svg
from apcli.records.json_objects import Record
from apcli.stages.report.experiment import Report, build
from apcli.stages.report.page.document import page
from apcli.stages.report.page.pictures import Picture, pictures
from apcli.stages.report.tables.csv_files import order_csv, to_csv
from apcli.stages.report.tables.markdown import to_markdown

log = logging.getLogger("apcli")

FORMATS = ("html", "md", "csv", "png", "svg")


def make(records: Iterable[Record], formats: Sequence[str], stem: Path, overwrite: bool = False) -> list[Path]:
    """Write the report as ``<stem>.html``, ``.md``, ``.csv`` and one ``<stem>.<figure>.png`` or ``.svg`` per figure.

    The format ``csv`` also writes ``.order.csv``, Kendall's tau, if there is anything to compare.

    Each file appears whole or not at all; every name is checked before the first is written. An existing file with the
    same bytes is kept.

    Raises:
        UsageError: a format is unknown, or another file exists and ``overwrite`` is off.
        ApcliError: there is no record, or the system refuses to write.
    """
    for form in formats:
        if form not in FORMATS:
            raise UsageError(f"unknown format {form!r}: known are {', '.join(FORMATS)}")
    report = build(records)
    drawn = pictures(report) if {"html", "png", "svg"} & set(formats) else []
    outputs = {stem.with_name(f"{stem.name}.{end}"): content for end, content in _contents(report, formats, drawn)}
    same = [path for path, content in outputs.items() if path.is_file() and path.read_bytes() == content]
    for path in outputs:
        if path.exists() and path not in same and not overwrite:
            raise UsageError(f"{path} exists and differs: --overwrite replaces it, --output names another place")
    for path, content in outputs.items():
        if path in same:
            log.info("%s is already there, the same: kept", path)
            continue
        with staged(path) as temporary:
            temporary.write_bytes(content)
    return list(outputs)


def html(records: Iterable[Record]) -> str:
    """The whole page as text."""
    report = build(records)
    return page(report, pictures(report))


def _contents(report: Report, formats: Sequence[str], drawn: Sequence[Picture]) -> Iterator[tuple[str, bytes]]:
    """Yield the ending of each file's name, and the file's bytes."""
    for form in formats:
        if form in ("png", "svg"):
            draw = png if form == "png" else svg
            yield from ((f"{picture.name}.{form}", draw(picture.figure)) for picture in drawn)
        else:
            write: dict[str, Callable[[Report], str]] = {"md": to_markdown, "csv": to_csv}
            text = page(report, drawn) if form == "html" else write[form](report)
            yield form, text.encode()
        order = order_csv(report) if form == "csv" else ""
        if order:
            yield "order.csv", order.encode()

"""Write a report in every format."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from apcli.checkpoints.files.staging import staged
from apcli.errors import ApcliError, UsageError
from apcli.records import lines
from apcli.records.json_objects import Record
from apcli.stages.report.experiment import Report, build
from apcli.stages.report.inputs import CARRIERS, NO_REPORT, is_carrier, is_made, objection
from apcli.stages.report.tables.csv_files import order_csv, to_csv
from apcli.stages.report.tables.markdown import to_markdown

if TYPE_CHECKING:
    from apcli.stages.report.page.pictures import Picture

log = logging.getLogger("apcli")

FORMATS = ("html", "md", "csv", "png", "svg")


def check(formats: Sequence[str], stem: Path, overwrite: bool = False) -> None:
    """Refuse what can be refused before the records are there: see ``make``.

    Raises:
        UsageError: a format is unknown, or a file that is no report has a report's name and ``overwrite`` is off.
    """
    for form in formats:
        if form not in FORMATS:
            raise UsageError(f"unknown format {form!r}: known are {', '.join(FORMATS)}")
        path = _named(stem, form)
        if not overwrite and form in CARRIERS and path.is_file() and not is_carrier(form, path.read_bytes()):
            raise _in_the_way(path, NO_REPORT)


def make(records: Iterable[Record], formats: Sequence[str], stem: Path, overwrite: bool = False) -> list[Path]:
    """Write the report as ``<stem>.html``, ``.md``, ``.csv`` and one ``<stem>.<figure>.png`` or ``.svg`` per figure.

    The format ``csv`` also writes ``.order.csv``, Kendall's tau, if there is anything to compare.

    Each file appears whole or not at all; every name is checked before the first is written. An existing file with the
    same bytes is kept, and so is the page or the Markdown file of the same records, by the same version of apcli; a
    report whose records are a part of this one's is replaced.

    Raises:
        UsageError: a format is unknown, or another file exists and ``overwrite`` is off.
        ApcliError: there is no record, or the system refuses to write.
    """
    check(formats, stem, overwrite)
    report = build(records)
    files = {form: _named(stem, form) for form in formats}
    carried = {path: path.read_bytes() for form, path in files.items() if form in CARRIERS and path.is_file()}
    made = [path for path, content in carried.items() if not overwrite and is_made(content, report.records)]
    missing = [form for form, path in files.items() if path not in made]
    outputs = {path: carried[path] for path in made}
    outputs |= {_named(stem, end): content for end, content in _contents(report, missing)}
    there = {path: path.read_bytes() for path in outputs if path.is_file()}
    differing = [path for path in outputs if path.exists() and there.get(path) != outputs[path]]
    if not overwrite:
        _check_replaced([_named(stem, form) for form in formats if form in CARRIERS], there, outputs, differing)
    for path, content in outputs.items():
        if path in there and path not in differing:
            log.info("%s is already there, the same: kept", path)
            continue
        if path in differing and not overwrite:
            log.info("%s is replaced: all of its records are in the new report", path)
        with staged(path) as temporary:
            temporary.write_bytes(content)
    return list(outputs)


def _check_replaced(
    carriers: Sequence[Path], there: Mapping[Path, bytes], outputs: Mapping[Path, bytes], differing: Sequence[Path]
) -> None:
    """Raise UsageError unless those of the files that carry records show that the report there is a part of this one.

    Figures and the table of orders are replaced with a file beside them that carries the records.
    """
    known = [path for path in carriers if path in there]
    for path in known:
        if why := objection(path.suffix.removeprefix("."), there[path], outputs[path]):
            raise _in_the_way(path, why)
    if differing and not known:
        raise _in_the_way(differing[0], "differs")


def _in_the_way(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} exists and {why}: --overwrite replaces it, --output names another place")


def keep(records: Iterable[Record], stem: Path) -> Path:
    """Write records to a new file beside a report that could not be made, or to the working folder.

    Raises:
        ApcliError: the system refuses to write.
    """
    text = "".join(f"{lines.dump(record.to_json())}\n" for record in records).encode()
    try:
        return _kept(text, stem)
    except ApcliError:
        return _kept(text, Path(stem.name))


def _kept(text: bytes, stem: Path) -> Path:
    names = (_named(stem, f"records{f'-{number}' if number > 1 else ''}.jsonl") for number in itertools.count(1))
    path = next(path for path in names if not path.exists() or (path.is_file() and path.read_bytes() == text))
    with staged(path) as temporary:
        temporary.write_bytes(text)
    return path


def _named(stem: Path, end: str) -> Path:
    return stem.with_name(f"{stem.name}.{end}")


def html(records: Iterable[Record]) -> str:
    """The whole page as text."""
    from apcli.stages.report.page.document import page
    from apcli.stages.report.page.pictures import pictures

    report = build(records)
    return page(report, pictures(report))


def _contents(report: Report, formats: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the ending of each file's name, and the file's bytes. What draws is imported where something is drawn."""
    drawn: Sequence[Picture] = []
    if {"html", "png", "svg"} & set(formats):
        from apcli.figures.style import png, svg
        from apcli.stages.report.page.document import page
        from apcli.stages.report.page.pictures import pictures

        drawn = pictures(report)
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

"""Write a report in every format."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from apcli.checkpoints.files.staging import staged
from apcli.configs.report import MEASURED, ReportConfig
from apcli.figures.canvas.prints import pdf, png
from apcli.figures.canvas.svg import svg
from apcli.progress import Tell
from apcli.records.checkpoint import CheckpointRecord
from apcli.records.json_objects import Record
from apcli.stages.report.drawing.pictures import Pictures, pictures
from apcli.stages.report.files import carriers, check, in_the_way, named
from apcli.stages.report.inputs import objection
from apcli.stages.report.page.document import page
from apcli.stages.report.runs.experiment import Report, build
from apcli.stages.report.sections import unshown
from apcli.stages.report.tables.csv_files import csv_files
from apcli.stages.report.tables.json_files import to_json
from apcli.stages.report.tables.latex import to_tex
from apcli.stages.report.tables.markdown import to_markdown
from apcli.words import count

log = logging.getLogger("apcli")


def make(
    records: Iterable[Record],
    config: ReportConfig,
    describe: Callable[[Path], CheckpointRecord] | None = None,
    show: Callable[[Report], None] | None = None,
    tell: Tell | None = None,
) -> list[Path]:
    """Write the report as ``<stem>.html``, ``.md``, ``.csv``, ``.json``, ``.tex``, and figures as SVG, PNG and PDF.

    The format ``csv`` also writes ``.bounds.csv``, bound records if there are others too, and ``.order.csv``, Kendall's
    tau, if there is anything to compare.

    Each file appears whole or not at all; every name is checked before the first is written. An existing file with the
    same bytes is kept; a report whose records are a part of this one's is replaced, with its figures.

    Args:
        describe: describes the compared files; None: they are not looked for.
        show: shows the report before anything is drawn.

    Raises:
        UsageError: no record can be shown on the published scale, or another file exists and ``overwrite`` is off.
        ApcliError: there is no record, or the system refuses to write.
    """
    check(config)
    formats, figures, overwrite = config.formats, config.figures, config.overwrite
    report = _built(records, describe, show)
    if tell is not None:
        tell("drawing the report")
    needed = "html" in formats or figures is not None
    drawn = pictures(report, config.scale) if needed else Pictures((), ())
    outputs = {named(config.stem, end): content for end, content in _contents(report, formats, drawn)}
    outputs |= {figures / name: content for name, content in _figures(drawn)} if figures is not None else {}
    there = {path: path.read_bytes() for path in outputs if path.is_file()}
    differing = [path for path in outputs if path.exists() and there.get(path) != outputs[path]]
    if not overwrite:
        _check_replaced(carriers(config), there, outputs, differing)
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
        new = b"".join(content for other, content in outputs.items() if other.suffix == path.suffix)  # CSV: several
        if why := objection(path.suffix.removeprefix("."), there[path], new):
            raise in_the_way(path, why)
    if differing and not known:
        raise in_the_way(differing[0], "differs", "--output or --figures")


def html(
    records: Iterable[Record],
    describe: Callable[[Path], CheckpointRecord] | None = None,
    show: Callable[[Report], None] | None = None,
    scale: str = MEASURED,
) -> str:
    """The whole page as text; ``scale`` is that of AP3 in figures, one of ``SCALES``.

    Raises:
        UsageError: no record can be shown on the scale.
        ApcliError: there is no record.
    """
    report = _built(records, describe, show)
    return page(report, pictures(report, scale))


def _built(
    records: Iterable[Record],
    describe: Callable[[Path], CheckpointRecord] | None,
    show: Callable[[Report], None] | None,
) -> Report:
    """The report, shown; kinds of record that it has no place for are told."""
    report = build(records, describe)
    for kind, number in unshown(report.given).items():
        log.warning("%s of kind %s left out: the report has no section for that kind", count(number, "record"), kind)
    if show is not None:
        show(report)
    return report


def _contents(report: Report, formats: Sequence[str], drawn: Pictures) -> Iterator[tuple[str, bytes]]:
    """Yield the ending of each file's name, and the file's bytes."""
    for form in formats:
        write: dict[str, Callable[[Report], str]] = {"md": to_markdown, "json": to_json, "tex": to_tex}
        if form == "csv":
            yield from ((end, text.encode()) for end, text in csv_files(report).items())
        else:
            yield form, (page(report, drawn) if form == "html" else write[form](report)).encode()


def _figures(drawn: Pictures) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each figure's files."""
    for picture in drawn.drawn:
        yield f"{picture.name}.svg", svg(picture.drawing).encode()
        yield f"{picture.name}.png", png(picture.drawing)
        yield f"{picture.name}.pdf", pdf(picture.drawing)

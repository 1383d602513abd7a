"""The report as one HTML page that needs nothing but itself, and the writing of a report in every format."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from apcli import __version__, figures
from apcli.checkpoints.files.staging import staged
from apcli.errors import UsageError
from apcli.records.json_objects import Record
from apcli.stages.report import accuracies
from apcli.stages.report.agreement import Agreement, agreements, caveats, verdict
from apcli.stages.report.experiment import Group, Report, Trial, build, file_name
from apcli.stages.report.page import pictures
from apcli.stages.report.page.pictures import Drawing, drawings
from apcli.stages.report.page.tiles import facts, tiles
from apcli.stages.report.quantities import ApKey, ApMeasure
from apcli.stages.report.ranking import rankings, sentences
from apcli.stages.report.tables import rows
from apcli.stages.report.tables.rows import Table
from apcli.words import count

log = logging.getLogger("apcli")

FORMATS = ("html", "md", "csv", "png", "svg")
LONG, WIDE = 8, 50
NUMBER = re.compile(r"[−-]?[\d.]+(e-?\d+)?( ± [\d.]+(e-?\d+)?)?( \(s\.e\. [\d.]+(e-?\d+)?\))?|–")
SECTIONS = {
    pictures.METHOD_FIXED: "Fixed method, every sparsity",
    pictures.SPARSITY_FIXED: "Fixed sparsity, every method",
    pictures.OVER_SPARSITY: "Final values over sparsity",
    pictures.SCATTER: "AP against PD",
}
DEFINITIONS = {
    "AP2": "squared Euclidean distance ‖ω − ω̃‖² between the dense and the pruned weights of the compared layers.",
    "AP3": "divergence between two probability laws to which the dense and the pruned weights belong (mostly as their "
    "locations); KL(dense ‖ pruned), in nats, unless named otherwise.",
    "PD": "performance difference |L(dense) − L(pruned)|, in mean cross-entropy (nats) or in accuracy (points).",
    "sparsity": "share of the prunable weights in scope set to exactly zero, as asked for and as counted in the file.",
    "accuracy": "top-1 on the test split in percent; “just pruned” is before any fine-tuning.",
    "±": "sample standard deviation over seeds. For one seed: the standard error of an estimate (Monte Carlo, or over "
    "the data), which is s.e. beside the former; absent for one seed of an exact value.",
    "τ": "Kendall’s τ-b between the runs’ mean AP and mean PD: 1 is the same order, −1 the reverse, 0 no relation. "
    "In words: closely above 0.7, loosely above 0.3, hardly above −0.3.",
}


def make(records: Iterable[Record], formats: Sequence[str], stem: Path, overwrite: bool = False) -> list[Path]:
    """Write the report as ``<stem>.html``, ``.md``, ``.csv`` and one ``<stem>.<figure>.png`` or ``.svg`` per figure.

    Beside ``.csv``, the records, comes ``.order.csv``, Kendall's tau, where there is anything to compare.

    Each file appears whole or not at all; every name is checked before the first is written. A file that is there
    already and has the same bytes is kept.

    Raises:
        UsageError: a format is unknown, or another file exists and ``overwrite`` is off.
        ApcliError: there is no record, or the system refuses to write.
    """
    for form in formats:
        if form not in FORMATS:
            raise UsageError(f"unknown format {form!r}: known are {', '.join(FORMATS)}")
    report = build(records)
    drawn = drawings(report) if {"html", "png", "svg"} & set(formats) else []
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
    return page(report, drawings(report))


def page(report: Report, drawn: Sequence[Drawing]) -> str:
    """The whole page, from a report and its figures."""
    body = "".join(
        _group(group, [d for d in drawn if d.group is group], len(report.groups) > 1) for group in report.groups
    )
    style = files("apcli.stages.report.page").joinpath("page.css").read_text(encoding="utf-8")
    title = f"Pruning report: {escape(report.title)}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f'<p class="kicker">Pruning report</p>\n<h1>{escape(report.title)}</h1>\n{body}'
        f"{_settings(report)}{_footer(report)}</main>\n</body>\n</html>\n"
    )


def _contents(report: Report, formats: Sequence[str], drawn: Sequence[Drawing]) -> Iterator[tuple[str, bytes]]:
    """What ends each file's name, and the file's bytes."""
    for form in formats:
        if form in ("png", "svg"):
            draw = figures.png if form == "png" else figures.svg
            yield from ((f"{drawing.name}.{form}", draw(drawing.figure)) for drawing in drawn)
        else:
            write: dict[str, Callable[[Report], str]] = {"md": rows.to_markdown, "csv": rows.to_csv}
            text = page(report, drawn) if form == "html" else write[form](report)
            yield form, text.encode()
        order = rows.order_csv(report) if form == "csv" else ""
        if order:
            yield "order.csv", order.encode()


def _group(group: Group, drawn: Sequence[Drawing], several: bool) -> str:
    found = agreements(group)
    words = verdict(group, found)
    parts = [f"<h2>{escape(group.title)}</h2>\n"] if several else []
    parts.append(f'<p class="facts">{escape(facts(group))}</p>\n{_tiles(group, found)}')
    parts.append(f'<ul class="verdict">\n{"".join(f"<li>{escape(sentence)}</li>" for sentence in words)}</ul>\n')
    parts += [f'<p class="note">{escape(note)}</p>\n' for note in group.notes]
    runs = "".join(_table(table, caption) for caption, table in rows.runs_tables(group))
    parts += [_section("Runs", runs), _accuracy(group, drawn), _ranking(group, found, drawn)]
    for section, title in SECTIONS.items():
        inside = "".join(_figure(d) for d in drawn if d.section == section)
        if section == pictures.SCATTER and found:
            inside += _folded(rows.order_table(group, found), rows.ORDER, 3 * LONG)
        parts.append(_section(title, inside) if inside else "")
    broken = rows.broken_table(group, found)
    if broken[1]:
        caption = "Smaller AP with larger PD: pairs of runs that AP and PD order oppositely."
        parts.append(_section("Pairs that break the order", _folded(broken, caption, LONG)))
    bounds = rows.bounds_table(group)
    if bounds[1]:
        caption = "Bounds on total variation (TV) by the final KL and by the means and covariances of both laws."
        parts.append(_section(rows.BOUNDS, _folded(bounds, caption, 0)))
    return "".join(parts)


def _accuracy(group: Group, drawn: Sequence[Drawing]) -> str:
    picture = "".join(_figure(d) for d in drawn if d.section == pictures.ACCURACY)
    if not picture:
        return ""
    table = _table(rows.accuracy_table(group), rows.accuracy_words(group))
    return _section(accuracies.TITLE, picture + table)


def _ranking(group: Group, found: Sequence[Agreement], drawn: Sequence[Drawing]) -> str:
    made = rankings(found)
    if not made:
        return ""
    words = "".join(f"<li>{escape(line)}</li>" for line in sentences(group, made))
    picture = "".join(_figure(d) for d in drawn if d.section == pictures.RANKED)
    caption = "Measures by Kendall’s τ-b over all runs, the best first."
    table = _folded(rows.ranking_table(group, made), caption, LONG)
    return _section(rows.RANKING, f'<ul class="verdict">\n{words}</ul>\n{picture}{table}')


def _tiles(group: Group, found: Sequence[Agreement]) -> str:
    cells = "".join(
        f'<div class="tile"><dt>{escape(tile.name)}</dt><dd class="big">{escape(tile.big)}'
        f"{f' <small>{escape(tile.beside)}</small>' if tile.beside else ''}</dd><dd>{escape(tile.small)}</dd></div>\n"
        for tile in tiles(group, found)
    )
    return f'<dl class="tiles">\n{cells}</dl>\n' if cells else ""


def _settings(report: Report) -> str:
    words = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>\n" for k, v in DEFINITIONS.items())
    measures: dict[ApKey, ApMeasure] = {m.key: m for group in report.groups for m in group.measures}
    head = ["measure", "distribution", "parameters", "divergence", "estimator", "measured on"]
    laws = _table((head, [[m.label, *m.settings] for m in measures.values()]), "Measures and their settings.")
    trials = [(run, trial) for group in report.groups for run in group.runs for trial in run.trials]
    listed = {
        (
            side,
            file_name(file),
            (file.sha256 or "unknown")[:12],
            run.name if side == "pruned" else "",
            _seed(trial),
        )
        for run, trial in trials
        for side, file in (("dense", trial.dense), ("pruned", trial.pruned))
        if file.path
    }
    rows = [list(row) for row in sorted(listed)]
    sources = _table(
        (["role", "file", "SHA-256", "run", "seed"], rows), "Files, with the first 12 digits of their SHA-256."
    )
    inside = (
        f'<dl class="words">\n{words}</dl>\n{laws}<details>\n<summary>Files compared</summary>\n{sources}</details>\n'
    )
    return _section("Settings and definitions", inside)


def _seed(trial: Trial) -> str:
    return "" if trial.seed is None else str(trial.seed)


def _footer(report: Report) -> str:
    lines = "".join(f"<li>{escape(line)}</li>\n" for line in caveats(report.groups))
    versions = sorted({str(record.version) for record in report.records})
    made = f"Made by apcli {__version__} from {count(len(report.records), 'record')} (format {', '.join(versions)})."
    return f"<footer>\n<h2>What to keep in mind</h2>\n<ul>\n{lines}</ul>\n<p>{escape(made)}</p>\n</footer>\n"


def _section(title: str, inside: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{inside}</section>\n"


def _table(table: Table, caption: str) -> str:
    head, rows = table
    numeric = [all(NUMBER.fullmatch(row[index]) for row in rows) for index in range(len(head))]
    columns = "".join(
        f'<th scope="col"{" class=number" if right else ""}>{escape(cell)}</th>'
        for cell, right in zip(head, numeric, strict=True)
    )
    cells = ["".join(_cell(*cell) for cell in zip(row, numeric, strict=True)) for row in rows]
    lines = "".join(f"<tr>{row}</tr>\n" for row in cells)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">\n<table>\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{columns}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n</div>\n"
    )


def _folded(table: Table, caption: str, most: int) -> str:
    """The table; one of more than ``most`` rows is shown on request."""
    rows = len(table[1])
    inside = _table(table, caption)
    if rows <= most:
        return inside
    return f"<details>\n<summary>Show {count(rows, 'entry')}</summary>\n{inside}</details>\n"


def _cell(text: str, numeric: bool) -> str:
    if not numeric:
        return f"<td{' class=long' if len(text) > WIDE else ''}>{escape(text)}</td>"
    mean, _, sd = text.partition(" ± ")
    return f'<td class="number">{mean}{f"<small>± {sd}</small>" if sd else ""}</td>'


def _figure(drawing: Drawing) -> str:
    words = escape(drawing.caption)
    picture = _inline(figures.svg(drawing.figure).decode(), drawing.name)
    return (
        f'<figure>\n<div class="scroll" role="img" aria-label="{words}">{picture}</div>\n'
        f"<figcaption>{words}</figcaption>\n</figure>\n"
    )


def _inline(svg: str, prefix: str) -> str:
    """The ``<svg>`` element alone: its identifiers unique on a page of several, no reference to elsewhere."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href=", "href=")
    return re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}.", svg)

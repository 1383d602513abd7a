"""The report as one HTML page that needs nothing but itself, and the writing of a report in every format."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from apcli import __version__, figures
from apcli.checkpoints import staged
from apcli.errors import UsageError
from apcli.operations.report import Group, Quantity, Record, Report, Run, Trial, build, file_name
from apcli.operations.report_figures import METHOD_FIXED, OVER_SPARSITY, SCATTER, SPARSITY_FIXED, Drawing, drawings
from apcli.operations.report_order import FINAL, Agreement, agreements, caveats, count, moment_name, signed, verdict
from apcli.operations.report_tables import Table, broken_table, order_table, runs_table, spread, to_csv, to_markdown

log = logging.getLogger("apcli")

FORMATS = ("html", "md", "csv", "png", "svg")
LONG, WIDE = 8, 50
NUMBER = re.compile(r"[−-]?[\d.]+(e-?\d+)?( ± [\d.]+(e-?\d+)?)?|–")
SECTIONS = {
    METHOD_FIXED: "Fixed method, every sparsity",
    SPARSITY_FIXED: "Fixed sparsity, every method",
    OVER_SPARSITY: "Final values over sparsity",
    SCATTER: "AP against PD",
}
DEFINITIONS = {
    "AP2": "squared Euclidean distance ‖ω − ω̃‖² between the dense and the pruned weights of the compared layers.",
    "AP3": "divergence between two probability laws, in nats, whose locations are the dense and the pruned weights; "
    "KL(dense ‖ pruned) unless named otherwise.",
    "PD": "performance difference |L(dense) − L(pruned)|, in mean cross-entropy (nats) or in accuracy (points).",
    "sparsity": "share of the prunable weights in scope set to exactly zero, as asked for and as counted in the file.",
    "accuracy": "top-1 on the test split in percent; “just pruned” is before any fine-tuning.",
    "±": "sample standard deviation over seeds; absent for one seed.",
    "τ": "Kendall’s τ-b between the runs’ mean AP and mean PD: 1 is the same order, −1 the reverse, 0 no relation. "
    "In words: closely above 0.7, loosely above 0.3, hardly above −0.3.",
}


def make(records: Iterable[Record], formats: Sequence[str], stem: Path, overwrite: bool = False) -> list[Path]:
    """Write the report as ``<stem>.html``, ``.md``, ``.csv`` and one ``<stem>.<figure>.png`` or ``.svg`` per figure.

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
    style = files("apcli.operations").joinpath("report.css").read_text(encoding="utf-8")
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
            write: dict[str, Callable[[Report], str]] = {"md": to_markdown, "csv": to_csv}
            text = page(report, drawn) if form == "html" else write[form](report)
            yield form, text.encode()


def _group(group: Group, drawn: Sequence[Drawing], several: bool) -> str:
    found = agreements(group)
    words = verdict(group, found)
    parts = [f"<h2>{escape(group.title)}</h2>\n"] if several else []
    parts.append(f'<p class="facts">{escape(_facts(group))}</p>\n{_tiles(group, found)}')
    parts.append(f'<ul class="verdict">\n{"".join(f"<li>{escape(sentence)}</li>" for sentence in words)}</ul>\n')
    parts += [f'<p class="note">{escape(note)}</p>\n' for note in group.notes]
    parts.append(
        _section("Runs", _table(runs_table(group), "Every run; final network, test split unless said otherwise."))
    )
    for section, title in SECTIONS.items():
        inside = "".join(_figure(d) for d in drawn if d.section == section)
        if section == SCATTER and found:
            inside += _table(
                order_table(group, found), "Kendall’s τ-b between AP and PD, and how many pairs of runs agree."
            )
        parts.append(_section(title, inside) if inside else "")
    broken = broken_table(group, found)
    if broken[1]:
        table = _table(broken, "Smaller AP with larger PD: pairs of runs that AP and PD order oppositely.")
        if len(broken[1]) > LONG:
            table = f"<details>\n<summary>Show {count(len(broken[1]), 'entry')}</summary>\n{table}</details>\n"
        parts.append(_section("Pairs that break the order", table))
    return "".join(parts)


def _facts(group: Group) -> str:
    seeds = {trial.seed for run in group.runs for trial in run.trials if trial.seed is not None}
    layers = list(dict.fromkeys(layer for run in group.runs for trial in run.trials for layer in trial.layers))
    listed = ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
    epochs = max((run.epochs[-1] for run in group.runs if run.epochs), default=0)
    facts = [
        count(len(group.runs), "run"),
        count(len(group.methods), "method"),
        count(len(group.sparsities), "sparsity") if group.sparsities else "",
        count(len(seeds), "seed") if seeds else "",
        f"{count(epochs, 'epoch')} of fine-tuning" if epochs else "",
        f"compared: {listed}" if layers else "",
    ]
    return " · ".join(fact for fact in facts if fact)


def _tiles(group: Group, found: Sequence[Agreement]) -> str:
    overall = [a for a in found if a.sparsity is None and a.moment == FINAL]
    tiles = []
    for measure in group.measures:
        a = next((a for a in overall if a.measure is measure), None)
        if a is not None and a.tau is not None:
            same = [
                b
                for b in found
                if b.sparsity is not None and (b.moment, b.measure, b.target) == (FINAL, measure, a.target)
            ]
            fixed = f"; {sum(b.agree for b in same)} of {sum(b.pairs for b in same)} at one sparsity" if same else ""
            words = f"{a.agree} of {count(a.pairs, 'pair')} in the order of PD ({a.target.words}){fixed}"
            tiles.append((f"{measure.label} {moment_name(group, FINAL)}", f"τ {signed(a.tau)}", words))
    tiles += _accuracy_tiles(group)
    cells = "".join(
        f'<div class="tile"><dt>{escape(name)}</dt><dd class="big">{escape(big)}</dd><dd>{escape(small)}</dd></div>\n'
        for name, big, small in tiles
    )
    return f'<dl class="tiles">\n{cells}</dl>\n' if cells else ""


def _accuracy_tiles(group: Group) -> list[tuple[str, str, str]]:
    dense = [value for run in group.runs if (value := run.accuracy("dense"))]
    tiles = [("Dense network", f"{dense[0].mean:.2f} %", f"test accuracy, {spread(dense[0], 2)}")] if dense else []
    known: list[tuple[float, Run]] = [(value.mean, run) for run in group.runs if (value := run.accuracy("pruned"))]
    if len(known) > 1:
        worst, best = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
        small = f"test accuracy, from {worst[1].name} to {best[1].name}"
        tiles.append(("Pruned networks", f"{worst[0]:.1f} – {best[0]:.1f} %", small))
    return tiles


def _settings(report: Report) -> str:
    words = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>\n" for k, v in DEFINITIONS.items())
    measures: dict[tuple[str, ...], Quantity] = {m.key: m for group in report.groups for m in group.measures}
    rows = [[m.label, m.key[1], m.key[2], m.key[3], m.settings or "none"] for m in measures.values()]
    laws = _table(
        (["measure", "distribution", "divergence", "estimator", "parameters"], rows), "Measures and their settings."
    )
    trials = [(run, trial) for group in report.groups for run in group.runs for trial in run.trials]
    listed = {
        (
            side,
            file_name(file),
            str(file.get("sha256") or "unknown")[:12],
            run.name if side == "pruned" else "",
            _seed(trial),
        )
        for run, trial in trials
        for side, file in (("dense", trial.dense), ("pruned", trial.pruned))
        if file.get("path")
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
    versions = sorted({str(record.get("version", "unknown")) for record in report.records})
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

r"""The report as LaTeX tables for a paper, in the style of the package booktabs, to be read by ``\input``."""

import re
from collections.abc import Iterator, Sequence

from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.comparisons.estimates import Estimate
from apcli.stages.report.inputs import MARK, mark_of
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.tables.overview import AccuracyTable, Following, accuracy_tables, following
from apcli.stages.report.words import is_point
from apcli.words import count, in_one_line, join

_ESCAPED = {
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "τ": r"$\tau$",
}
_UNKNOWN = "--"
_SMALL = 0.1  # percent: a smaller sd needs two decimals


def to_tex(report: Report) -> str:
    """For each model and data set: accuracy by method and sparsity, and the rank agreement of each measure with PD.

    The records' mark stands behind the end of the input, where TeX does not look.
    """
    parts = [f"% Pruning report: {in_one_line(report.title)}\n% \\input this file; it needs \\usepackage{{booktabs}}."]
    for number, group in enumerate(report.groups, 1):
        label = f"tab:apcli-{number}" if len(report.groups) > 1 else "tab:apcli"
        tables = accuracy_tables(group)
        if tables:
            parts.append(_accuracy(group, tables, f"{label}-accuracy"))
        rows = following(group)
        if rows:
            parts.append(_agreement(group, rows, f"{label}-agreement"))
    return "\n\n".join([*parts, f"\\endinput\n% {MARK}: {mark_of(report.digests)}"]) + "\n"


def escaped(text: str) -> str:
    """Text as LaTeX prints it; what is not printable is escaped as in messages."""
    shown = "".join(_ESCAPED.get(mark, mark) for mark in in_one_line(text))
    return re.sub("-(?=-)", "-{}", shown)  # two in a row would be a dash


def _accuracy(group: Group, tables: Sequence[AccuracyTable], label: str) -> str:
    """Blocks of rows for the networks just pruned and after fine-tuning; ``tables`` have the same columns."""
    last, known = tables[-1], [estimate for table in tables for estimate in table.estimates]
    decimals = 2 if any(0 < (e.sd or 1.0) < _SMALL for e in [*known, *([last.dense] if last.dense else [])]) else 1
    sizes = sorted({(estimate.n, estimate.unit) for estimate in known})
    over = f"over $n = {sizes[0][0]}$ {sizes[0][1]}{'s' * (sizes[0][0] > 1)}" if len(sizes) == 1 else (
        f"over $n$ {join(list(dict.fromkeys(f'{unit}s' for _, unit in sizes)))}, $n$ in brackets"
    )  # fmt: skip
    dense = f" Dense: {_estimate(last.dense, decimals, len(sizes) > 1)}." if last.dense else ""
    caption = (
        f"Top-1 test accuracy of {escaped(group.title)} in percent by sparsity: mean $\\pm$ sample standard deviation "
        f"{over}.{dense}"
    )
    columns = ["method", *("unknown" if s is None else f"{s:g}" for s in last.sparsities)]
    blocks = [
        (
            table.state if len(tables) > 1 else "",
            [
                [escaped(row.method), *(_estimate(e, decimals, len(sizes) > 1) for e in row.estimates)]
                for row in table.rows
            ],
        )
        for table in tables
    ]
    return _table(caption, label, columns, blocks, "sparsity")


def _agreement(group: Group, rows: Sequence[Following], label: str) -> str:
    """A block of rows for each PD."""
    networks = sorted({len(row.final.networks) for row in rows if row.final})
    pruned = sorted({row.within.n for row in rows if row.within})
    within = (
        f" Within networks: over the epochs of each of {join(list(map(str, pruned)))} pruned networks."
        if pruned
        else ""
    )
    caption = (
        f"Rank agreement (Kendall's $\\tau$-b) of each divergence with the performance difference (PD) of "
        f"{escaped(group.title)}, over the runs of one dense network; "
        f"{join([count(n, 'dense network') for n in networks])}. In brackets: 95\\,\\% bootstrap interval over dense "
        f"networks, where there are enough.{within}"
    )
    columns = ["divergence", "just pruned", "final", "at one sparsity", "within networks"]
    targets = dict.fromkeys(row.target for row in rows)
    blocks = [
        (
            f"PD in {target.words}",
            [
                [
                    escaped(row.measure.label),
                    *map(_tau, (row.just_pruned, row.final, row.same_sparsity)),
                    _UNKNOWN
                    if row.within is None
                    else _number(row.within.mean, row.within.interval, row.within.networks),
                ]
                for row in rows
                if row.target == target
            ],
        )
        for target in targets
    ]
    return _table(caption, label, columns, blocks)


def _table(
    caption: str, label: str, columns: Sequence[str], blocks: Sequence[tuple[str, list[list[str]]]], over: str = ""
) -> str:
    """A table of blocks of rows, each below its title.

    Args:
        over: the heading that all columns but the first share; empty: none.
    """
    width = len(columns)
    head = [f"& \\multicolumn{{{width - 1}}}{{c}}{{{over}}} \\\\", f"\\cmidrule(lr){{2-{width}}}"] if over else []
    body = [line for title, rows in blocks for line in _block(title, rows, width)]
    lines = [
        "\\toprule",
        *head,
        f"{' & '.join(map(escaped, columns))} \\\\",
        *body,
        "\\bottomrule",
    ]
    tabular = "\n".join(f"    {line}" for line in lines)
    return (
        f"\\begin{{table}}\n  \\centering\n  \\small\n  \\caption{{{caption}}}\n  \\label{{{label}}}\n"
        f"  \\begin{{tabular}}{{l{'r' * (width - 1)}}}\n{tabular}\n  \\end{{tabular}}\n\\end{{table}}"
    )


def _block(title: str, rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    yield "\\midrule"
    if title:
        yield f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{escaped(title)}}}}} \\\\"
    yield from (f"{' & '.join(row)} \\\\" for row in rows)


def _estimate(estimate: Estimate | None, decimals: int, counted: bool) -> str:
    """mean ± sd, with n in brackets if it is not the same everywhere."""
    if estimate is None:
        return _UNKNOWN
    sd = "" if estimate.sd is None else f" \\pm {estimate.sd:.{decimals}f}"
    return f"${estimate.mean:.{decimals}f}{sd}$" + (f" ({estimate.n})" if counted else "")


def _tau(agreement: Agreement | None) -> str:
    if agreement is None or agreement.tau is None:
        return _UNKNOWN
    return _number(agreement.tau, agreement.interval, agreement.known)


def _number(value: float, interval: tuple[float, float] | None, networks: int) -> str:
    """The number with its interval; with the number of networks in which it is the same if that has no width."""
    if interval is None:
        return f"${value:.2f}$"
    around = f" same in all {networks}" if is_point(interval) else f"$[{interval[0]:.2f}, {interval[1]:.2f}]$"
    return f"${value:.2f}$ {{\\scriptsize{around}}}"

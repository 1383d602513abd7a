"""Several checkpoints as one table for a person: a row for each, to be compared."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from apcli.checkpoints.lineage import Lineage
from apcli.cli.layout.tables import Column, Grid
from apcli.records.checkpoint import CheckpointRecord
from apcli.words import count, in_one_line, join

_SUFFIX = ".safetensors"
_UNKNOWN = "-"
_COMPACT = "a compact file does not hold the removed channels: its sparsity is that of what is left"


@dataclass(frozen=True)
class _Fact:
    """A column, and what it says of a checkpoint; None: not known."""

    column: Column
    of: Callable[[CheckpointRecord, Lineage], str | None]


_FACTS = (
    _Fact(Column("method", "name", rank=1), lambda facts, lineage: _of_promises(lineage, "method")),
    _Fact(Column("scope", "name", rank=2), lambda facts, lineage: _of_promises(lineage, "scope")),
    _Fact(Column("parameters kept", rank=3), lambda facts, lineage: f"{facts.kept:,}"),
    _Fact(Column("sparsity"), lambda facts, lineage: _number(facts.sparsity, ".4f")),
    _Fact(Column("test accuracy %"), lambda facts, lineage: _accuracy(lineage, "test")),
    _Fact(Column("train accuracy %", rank=7), lambda facts, lineage: _accuracy(lineage, "train")),
    _Fact(Column("MACs", rank=6), lambda facts, lineage: None if facts.macs is None else f"{facts.macs.dense:,}"),
    _Fact(
        Column("nonzero MACs", rank=4), lambda facts, lineage: None if facts.macs is None else f"{facts.macs.nonzero:,}"
    ),
    _Fact(Column("latency ms", rank=5), lambda facts, lineage: _number(_milliseconds(facts), ".4g")),
    _Fact(Column("bytes", rank=8), lambda facts, lineage: f"{facts.bytes:,}"),
)


def to_grid(descriptions: Sequence[CheckpointRecord]) -> Grid:
    """A row for each checkpoint: its name, pruning, size, accuracies and costs.

    Columns of which nothing is known are left out, and what says the same of all stands above. Traces of fine-tuning,
    which are no networks, are counted below, unless there is nothing else.
    """
    known = [(facts, facts.made) for facts in descriptions]
    networks = [pair for pair in known if pair[1].stage != "trace"] or known
    cells = [[fact.of(*pair) for pair in networks] for fact in _FACTS]
    told = [index for index, column in enumerate(cells) if any(cell is not None for cell in column)]
    alike = [i for i in told if _FACTS[i].column.rank and len(networks) > 1 and len(set(cells[i])) == 1]
    shown = [index for index in told if index not in alike]
    folder, names = _named([facts.path for facts, _ in networks])
    rows = [[name, *(cells[index][row] or _UNKNOWN for index in shown)] for row, name in enumerate(names)]
    said = [f"{_FACTS[index].column.title} {cells[index][0]}" for index in alike]
    title = count(len(networks), "checkpoint") + (f" in {folder}" if folder else "")
    title += f"; of all: {', '.join(said)}" if said else ""
    columns = [Column("file", "name"), *(_FACTS[index].column for index in shown)]
    return Grid(columns, rows, title, "\n".join(_notes(networks, len(known) - len(networks))))


def _named(paths: Sequence[str]) -> tuple[str, list[str]]:
    """The folder that all files share, and their names in it without the usual ending; no folder, and the paths."""
    pure = [PurePath(path.removesuffix(_SUFFIX)) for path in paths]
    folders = {str(path.parent) for path in pure}
    if len(folders) > 1:
        return "", list(map(str, pure))
    folder = folders.pop()
    return "" if folder == "." else folder, [path.name for path in pure]


def _of_promises(lineage: Lineage, key: str) -> str | None:
    """What the pruned tensors say of their pruning, each answer once."""
    said = [value for promise in lineage.pruned.values() if (value := getattr(promise, key)) is not None]
    return join(list(dict.fromkeys(said))) or None


def _accuracy(lineage: Lineage, split: str) -> str | None:
    return _number((lineage.metrics.get(split) or {}).get("accuracy"), ".2f")


def _milliseconds(facts: CheckpointRecord) -> float | None:
    return None if facts.latency is None else 1000 * facts.latency.median


def _number(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)


def _notes(networks: Sequence[tuple[CheckpointRecord, Lineage]], traces: int) -> list[str]:
    """What a reader of the table must know."""
    reasons = Counter(facts.macs_reason.replace(facts.path, "it") for facts, _ in networks if facts.macs_reason)
    notes = [
        f"MACs of {count(number, 'file')} not counted: {in_one_line(reason)}" for reason, number in reasons.items()
    ]
    notes += [_COMPACT] if any(lineage.kept for _, lineage in networks) else []
    notes += [f"{count(traces, 'trace')} of fine-tuning, no networks, left out"] if traces else []
    return notes

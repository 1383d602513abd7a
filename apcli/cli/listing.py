"""``apcli list``: what can be named on the command line, from the tables."""

from fnmatch import fnmatch
from typing import Annotated, Any

import typer

from apcli.allocations import SCOPES, SPARSITY_SCHEDULES
from apcli.cli.layout.tables import Column, Grid
from apcli.cli.layout.text import wrapped
from apcli.cli.options import completion
from apcli.cli.streams import stdout, terminal
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.data import DATASETS
from apcli.data.augmentations import AUGMENTATIONS
from apcli.data.shifts import SHIFTS
from apcli.errors import UsageError
from apcli.models import MODELS
from apcli.projections import COVARIANCES, DISTRIBUTIONS
from apcli.registry.tables import Row, Table
from apcli.stages.bounds import THEORIES
from apcli.stages.export import FORMATS
from apcli.stages.limits import KINDS, LIMITS
from apcli.theory import ESTIMATORS, MEASURES
from apcli.training.optim import OPTIMISERS, SCHEDULES

# By the name that follows `apcli list`: the table, and where its rows are named.
TABLES: dict[str, tuple[Table[Any], str]] = {
    "methods": (METHODS, "prune --method"),
    "filter-methods": (FILTER_METHODS, "prune --method, with --structure filter"),
    "limits": (LIMITS, "prune --sparsity"),
    "limit-kinds": (KINDS, "prune --sparsity limit:kind="),
    "scopes": (SCOPES, "prune --scope"),
    "sparsity-schedules": (SPARSITY_SCHEDULES, "finetune --schedule"),
    "distributions": (DISTRIBUTIONS, "divergence --dist"),
    "covariances": (COVARIANCES, "divergence --dist NAME:cov="),
    "measures": (MEASURES, "divergence --measure"),
    "estimators": (ESTIMATORS, "divergence --estimator"),
    "theories": (THEORIES, "bounds --theory"),
    "models": (MODELS, "train MODEL, and --model"),
    "data": (DATASETS, "--data"),
    "augmentations": (AUGMENTATIONS, "--augment"),
    "shifts": (SHIFTS, "behaviour --shift"),
    "optimisers": (OPTIMISERS, "--opt"),
    "schedules": (SCHEDULES, "--sched"),
    "formats": (FORMATS, "export --format"),
}


def _tables(incomplete: str) -> list[str]:
    return [name for name in TABLES if name.startswith(incomplete)]


def list_(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help=f"{', '.join(TABLES)}; none: all of these", autocompletion=_tables),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="one of its names, or of models a pattern, as in 'vit_*'")
    ] = None,
) -> None:
    """List what can be named: methods, distributions, models, data sets and more.

    \b
      apcli list
      apcli list methods
      apcli list methods taylor
      apcli list models 'resnet*'
    """
    terminal.start("list", quiet=True)
    if table is None:
        rows = [[known, where, ", ".join(one.names)] for known, (one, where) in TABLES.items()]
        _emit("what can be named", (Column("table", "word"), Column("where", "text"), Column("names", "text")), rows)
        return
    if table not in TABLES:
        raise UsageError(f"no table {table!r}: expected one of {', '.join(TABLES)}")
    rows_of, where = TABLES[table]
    if name is None:
        columns = (Column("name", "word"), Column("what it is", "text"))
        _emit(f"{table}: {where}", columns, [[row.name, row.summary] for row in rows_of])
    elif table == "models" and name not in rows_of:
        _emit_models(name)
    else:
        for line in _lines(rows_of.row(name)):
            stdout.emit_text("\n".join(wrapped(line, stdout.columns(), hang=4)))


def _emit(title: str, columns: tuple[Column, ...], rows: list[list[str]]) -> None:
    """Print rows: a table on a terminal, else a line each, their cells apart by a tab."""
    if stdout.wants_table(as_json=False):
        stdout.emit_table(Grid(columns, rows, title))
    else:
        for row in rows:
            stdout.emit_line("\t".join(row))


def _emit_models(pattern: str) -> None:
    """Print the models of torchvision and timm that a name or a pattern means."""
    names = completion.library_models()
    own = [model for model in names if fnmatch(model.partition(":")[2], pattern) or fnmatch(model, pattern)]
    if not own:
        MODELS.row(pattern)  # says which names are close
    for model in own:
        stdout.emit_line(model)


def _lines(row: Row) -> list[str]:
    """One row: what it is, its parameters and what they may be, where it is from."""
    lines = [f"{row.name}: {row.summary}"]
    allowed = row.allowed({})
    for key, default in row.defaults({}).items():
        chosen = row.choices.get(key)
        what = ", ".join(chosen.names) if chosen else str(allowed.get(key, ""))
        lines.append(f"  {key}={default}{f'  ({what})' if what else ''}")
    return [*lines, f"  source: {row.source}"]

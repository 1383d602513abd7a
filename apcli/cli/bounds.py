"""``apcli bounds``."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from apcli.api import runs
from apcli.cli.layout.tables import Column, Grid
from apcli.cli.options import completion, shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.help import INPUT
from apcli.cli.options.network import DATA, INPUTS
from apcli.cli.results import emit_records
from apcli.cli.streams import stdin, stdout, terminal
from apcli.configs.bounds import BoundsConfig
from apcli.configs.values import config_of
from apcli.stages.bounds import THEORIES, about_dense_alone

if TYPE_CHECKING:
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.records.bound import BoundRecord

Theory = Annotated[
    str,
    typer.Option(
        "--theory",
        metavar="LIST",
        autocompletion=completion.of_tables(THEORIES),
        help=f"{', '.join(THEORIES.names)}, as name:key=value",
    ),
]
OPTIONS: Groups = {
    INPUT: {"weights_key": shared.WeightsKey},
    "Theories": {"theory": Theory, "seed": shared.Seed},
    "Layers": {"layers": shared.ComparedLayers, "exclude": shared.Exclude},
    "Model": {"model": shared.Model, **INPUTS, "device": shared.Device},
    "Data": {**DATA, "split": shared.Split, "images": shared.Images, "batch_size": shared.BatchSize},
}

_COLUMNS = (
    Column("epoch", rank=2),
    Column("layer", "name"),
    Column("statement", "name"),
    Column("as", "name", rank=3),
    Column("quantity", "name", rank=1),
    Column("bound"),
    Column("measured"),
    Column("slack", rank=4),
    Column("verdict", "name"),
)


@with_options(OPTIONS, BoundsConfig)
def bounds(
    options: Options,
    checkpoints: shared.Checkpoints = None,
    dense: shared.Dense = None,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Compute what theorems say that pruning can cost, beside what it did cost.

    Files are paired as by `divergence`; where a theory is about the dense file alone (limit), each file is one unless a
    pair or `--dense` is given. Each record states a bound, the quantity as it was measured, the assumptions with a
    verdict each, and whether the bound holds, is broken, says nothing (vacuous) or does not apply.

    \b
      apcli bounds a b
      apcli prune a --sparsity 0.5,0.8 | apcli bounds --json
      apcli bounds a --theory limit:eps=rel-0.1 --split train
    """
    terminal.start("bounds", quiet, writes=False)
    arguments = stdin.given(checkpoints)
    config = config_of(BoundsConfig, options)
    tell = terminal.progress(stdin.count_pairs(arguments, dense))
    pairs = stdin.pairs_in(arguments, dense, config.weights_key, alone=about_dense_alone(config.theory))
    emit_records(runs.bounds(config, pairs, tell), as_json, _emit_table, tell)


def _emit_table(dense: "Checkpoint", pruned: "Checkpoint", records: "list[BoundRecord]") -> None:
    """A table for each theory."""
    files = dense.label if dense is pruned else f"{dense.label} (dense) and {pruned.label}"
    for spec, stated in groupby(records, key=lambda record: THEORIES.spec_of(record.theory, record.params)):
        members = list(stated)
        rows = [_row(record) for record in members]
        stdout.emit_table(Grid(_COLUMNS, rows, f"{spec}: {files}", "\n".join(_failing(members))))


def _row(record: "BoundRecord") -> list[str]:
    b = record.bound
    sign = {"upper": "≤", "lower": "≥"}[b.side]
    epoch = "-" if record.epoch is None else str(record.epoch)
    named = (record.layer, b.statement, b.standing, f"{b.quantity} {sign}")
    return [epoch, *named, *(_text(number) for number in (b.value, b.measured, b.slack)), b.verdict]


def _failing(records: "list[BoundRecord]") -> Iterator[str]:
    """A line for each assumption that fails, with the first reason."""
    failing = [one for record in records for one in record.bound.assumptions if one.holds is False]
    for name, times in sorted(Counter(one.name for one in failing).items()):
        reason = next(one.reason for one in failing if one.name == name)
        yield f"{name} fails {'once' if times == 1 else f'{times} times'}: {reason}"


def _text(number: float | None) -> str:
    return "-" if number is None else f"{number:.4g}"

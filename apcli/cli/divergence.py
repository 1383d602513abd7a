"""``apcli divergence``."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apcli import records
from apcli.cli import options, streams
from apcli.configs import DivergenceConfig
from apcli.errors import UsageError
from apcli.registry import Choice
from apcli.theory import DISTRIBUTIONS
from apcli.theory.caveats import same_order


def divergence(
    checkpoints: options.Checkpoints = None,
    dist: Annotated[
        str, typer.Option("--dist", metavar="LIST", help=f"{', '.join(DISTRIBUTIONS.names)}, as name:key=value")
    ] = DivergenceConfig.dist,
    dense: options.Dense = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", metavar="LIST", help="all, last, names and globs; default: the pruned ones"),
    ] = DivergenceConfig.layers,
    exclude: options.Exclude = DivergenceConfig.exclude,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure how far pruned weights moved: AP2 and AP3 (nats), per layer and pooled (*), beside PD.

    Two files are a pair, the dense one first. Several, or two that are both pruned, are each set against --dense or
    the dense ancestor that its lineage names; the trace of a fine-tuned file adds a record for each epoch.

    \b
      apcli divergence a b --dist student-t
    """
    streams.start(quiet)
    config = DivergenceConfig(dist=dist, layers=layers, exclude=exclude)
    from apcli.operations import divergence as operation

    operation.check(config)
    for before, after in _pairs(checkpoints or [], dense):
        found = operation.divergence(before, after, config)
        if streams.wants_table(as_json):
            _emit_table(f"{before.label} (dense) and {after.label}", list(found))
        else:
            for record in found:
                streams.emit_line(records.dump(record))


def _pairs(arguments: list[str], dense: str | None) -> Iterator[tuple[Any, Any]]:
    from apcli.checkpoints import dense_ancestor

    if len(arguments) == 2 and dense is None:
        if arguments.count("-") == 2:
            raise UsageError("- is given twice: standard input can be one file of the pair")
        pair = list(streams.checkpoints_in(arguments))
        if len(pair) != 2:
            raise UsageError(
                f"{len(pair)} files came for a pair: expected - to be one file, or --dense FILE for several"
            )
        if not (pair[0].lineage and pair[0].lineage["pruned"]):
            yield pair[0], pair[1]
            return
        arriving = iter(pair)
    else:
        arriving = streams.checkpoints_in(arguments)
    for pruned in arriving:
        yield dense_ancestor(pruned, dense), pruned


def _emit_table(title: str, found: list[records.Record]) -> None:
    columns = ["epoch", "layer", "dim", "dist", "value", "PD loss (test)", "PD accuracy (test)"]
    rows = []
    for record in found:
        pd = record["pd"]["test"] or {}
        rows.append(
            [
                _text(record["epoch"], "d"),
                record["layer"],
                str(record["dim"]),
                Choice(DISTRIBUTIONS.row(record["dist"]), record["params"]).spec,
                _text(record["value"], ".6g"),
                _text(pd.get("loss"), ".4f"),
                _text(pd.get("accuracy"), ".2f"),
            ]
        )
    said = {(r["dist"], same_order(r["dist"], r["params"])) for r in found}
    caption = "\n".join(sorted(f"{dist} {words}" for dist, words in said if words))
    streams.emit_table(title, columns, rows, caption or None)


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

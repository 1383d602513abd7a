"""``apcli prune``."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from apcli.allocations import SCOPES
from apcli.api import runs
from apcli.cli import results
from apcli.cli.layout.tables import Column, Grid
from apcli.cli.options import completion, shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.help import INPUT
from apcli.cli.options.network import DATA, INPUTS
from apcli.cli.streams import stdin, stdout, terminal
from apcli.configs.prune import REMAINS, PruneConfig
from apcli.configs.values import config_of
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.errors import UsageError

if TYPE_CHECKING:
    from apcli.stages.prune.dry_run import Planned

_FILTERS = ", ".join(FILTER_METHODS.names)
_METHODS = f"{', '.join(METHODS.names)}; for filters {_FILTERS}; or FILE.py:function; default: lowest, l1"

OPTIONS: Groups = {
    INPUT: {"weights_key": shared.WeightsKey},
    "Amount": {
        "sparsity": Annotated[
            str | None,
            typer.Option(
                "--sparsity",
                metavar="LIST",
                help="removed share of the weights, each in [0, 1); limit: as much as the loss on --data allows (see "
                "apcli list limits)",
            ),
        ],
        "compression": Annotated[
            str | None,
            typer.Option("--compression", metavar="LIST", help="instead of --sparsity: total / nonzero parameters"),
        ],
        "budget": Annotated[
            str | None,
            typer.Option(
                "--budget",
                metavar="LIST",
                help=f"instead of --sparsity: {REMAINS}, as macs=0.5 or params=0.5; several: macs=0.3+0.5+0.7",
            ),
        ],
        "latency_table": Annotated[
            str | None,
            typer.Option(
                "--latency-table",
                metavar="FILE",
                help="the times by which --budget latency=S counts, from apcli report CHECKPOINT --latency-table FILE",
            ),
        ],
        "layer_sparsity": Annotated[
            str | None,
            typer.Option("--layer-sparsity", metavar="LIST", help="sparsity of single layers: conv1=0.2,fc*=0.8"),
        ],
        "min_keep": Annotated[
            float,
            typer.Option("--min-keep", metavar="N", help="weights to keep in each layer, or a share if below 1"),
        ],
    },
    "Which weights": {
        "method": Annotated[
            str | None,
            typer.Option(
                "--method",
                "--criterion",
                metavar="LIST",
                autocompletion=completion.of_tables(METHODS, FILTER_METHODS),
                help=_METHODS,
            ),
        ],
        "scope": Annotated[
            str,
            typer.Option(
                "--scope",
                metavar="LIST",
                autocompletion=completion.of_tables(SCOPES),
                help=f"which weights are ranked together: {', '.join(SCOPES.names)}, or FILE.py:function; "
                "of one method: METHOD:scope=NAME",
            ),
        ],
        "layers": Annotated[
            str,
            typer.Option("--layers", metavar="LIST", help="all, last, names and globs; each: a file for each"),
        ],
        "exclude": shared.Exclude,
        "structure": Annotated[
            str,
            typer.Option("--structure", metavar="weight|filter|N:M", help="single weights, channels, or N of every M"),
        ],
        "seed": shared.Seed,
        "seeds": shared.Seeds,
    },
    "Form of the result": {
        "adjust": Annotated[
            bool,
            typer.Option("--adjust", help="change the kept weights too, to the least loss on --data of second order"),
        ],
        "compact": Annotated[
            bool, typer.Option("--compact", help="write a smaller network, without the removed channels")
        ],
        "through_norms": Annotated[
            bool,
            typer.Option(
                "--through-norms",
                help="remove channels that a LayerNorm or the like takes its statistics over, too: without them the "
                "network computes otherwise, and it is said by how much",
            ),
        ],
        "storage": Annotated[
            str, typer.Option("--storage", metavar="dense|bitmask", help="bitmask: smaller, but only apcli reads it")
        ],
    },
    "Other files": {
        "like": Annotated[
            str | None,
            typer.Option(
                "--like",
                metavar="LIST",
                help="for random-same-layers: as many zeros as these files; each for the file it was made from",
            ),
        ],
        "mask_from": Annotated[
            str | None,
            typer.Option("--mask-from", metavar="LIST", help="instead of a method: copy the zeros of these files"),
        ],
        "rewind_to": Annotated[
            str | None,
            typer.Option(
                "--rewind-to", metavar="FILE", help="set the kept weights, and everything else, to this file's values"
            ),
        ],
    },
    "Model (for methods that run it)": {"model": shared.Model, **INPUTS, "device": shared.Device},
    "Data (for methods, limits and adjustments that look at it)": {
        **DATA,
        "split": shared.Split,
        "images": shared.Images,
        "batch_size": shared.BatchSize,
        "validation": Annotated[
            float,
            typer.Option(
                "--validation",
                metavar="SHARE",
                help="of the training images, held out for --sparsity limit:eps=accuracy-1",
            ),
        ],
    },
}

_PLANNED = (Column("file", "name"), Column("state", "word"), Column("goes"), Column("of"), Column("", "word", rank=1))

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        rich_help_panel="Output",
        help="write nothing; print each file, its state, and what each layer loses",
    ),
]


@with_options(OPTIONS, PruneConfig)
def prune(
    options: Options,
    checkpoints: shared.Checkpoints = None,
    output: shared.Output = None,
    overwrite: shared.Overwrite = False,
    dry_run: DryRun = False,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Set a share of the weights to exact zeros; prints each pruned file's path.

    Works on any safetensors file or PyTorch state dict; methods that run the network need to know which it is. Comma
    lists multiply.

    \b
      apcli prune model.safetensors --method highest --sparsity 0.3
      apcli prune model.safetensors --method taylor --scope global --sparsity 0.5,0.9 --data cifar10
      apcli prune model.safetensors --sparsity limit --data cifar10
      apcli prune model.safetensors --layers each --sparsity 0.5,0.9
      apcli prune model.safetensors --structure filter --sparsity 0.5 --compact
    """
    terminal.start("prune", quiet, writes=not dry_run)
    arguments = stdin.given(checkpoints)
    if as_json and not dry_run:
        raise UsageError("--json goes with --dry-run: the paths of files are printed as they are")
    config = config_of(PruneConfig, options)
    tell = terminal.progress(stdin.count(arguments))
    with results.outputs(output, overwrite, arguments) as (places, send):
        sources = stdin.checkpoints_in(arguments, config.weights_key)
        if dry_run:
            _emit_plans(runs.plan(config, sources, places, tell), as_json, by_layer=not quiet)
            return
        for path in runs.prune(config, sources, places, tell):
            send(path)


def _emit_plans(plans: "Iterator[Planned]", as_json: bool, by_layer: bool) -> None:
    """Print plans: as a table on a terminal (without the layers if ``--quiet``), otherwise as JSON Lines."""
    if not stdout.wants_table(as_json):
        for planned in plans:
            stdout.emit_line(json.dumps(planned.to_json(), allow_nan=False))
        return
    rows = []
    for planned in plans:
        goes = "?" if planned.removed is None else f"{planned.removed:,}"
        size = f"{planned.size:,}"
        rows.append([planned.path, planned.state, goes, size, planned.unit])
        for x in planned.shares if by_layer else ():
            goes = f"{x.least:,}" if x.least == x.most else f"{x.least:,} to {x.most:,}"
            rows.append([f"  {x.name}", "", goes, f"{x.size:,}", ""])
    stdout.emit_table(Grid(_PLANNED, rows, "dry run: nothing is written"))

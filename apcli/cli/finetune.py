"""``apcli finetune``."""

from typing import Annotated

import typer

from apcli.allocations import SPARSITY_SCHEDULES
from apcli.api import runs
from apcli.cli import results
from apcli.cli.options import shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.help import INPUT
from apcli.cli.options.loop import LOOP
from apcli.cli.options.network import DATA, INPUTS
from apcli.cli.streams import stdin, terminal
from apcli.configs.training import FinetuneConfig
from apcli.configs.values import config_of
from apcli.criteria import IN_TRAINING
from apcli.errors import UsageError

OPTIONS: Groups = {
    INPUT: {"weights_key": shared.WeightsKey},
    "Data": DATA,
    "Model": {"model": shared.Model, **INPUTS, "dense": shared.Dense},
    "Fine-tuning": {
        "update": Annotated[
            str,
            typer.Option("--update", metavar="all|pruned", help="which weights learn: all, or only the pruned layers'"),
        ],
        "trace": Annotated[
            str,
            typer.Option(
                "--trace", metavar="LIST", help="layers whose weights are saved each epoch; auto, none, names"
            ),
        ],
        "recalibrate_bn": Annotated[
            bool,
            typer.Option("--recalibrate-bn", help="first measure batch-norm statistics again on the training images"),
        ],
    },
    "Further pruning": {
        "sparsity": Annotated[
            float | None,
            typer.Option("--sparsity", metavar="SHARE", help="prune further while training, up to this share"),
        ],
        "schedule": Annotated[
            str | None,
            typer.Option(
                "--schedule", metavar="NAME", help=f"how the sparsity grows: {', '.join(SPARSITY_SCHEDULES.names)}"
            ),
        ],
        "method": Annotated[
            str, typer.Option("--method", metavar="NAME", help=f"which weights to remove: {', '.join(IN_TRAINING)}")
        ],
        "scope": Annotated[
            str, typer.Option("--scope", metavar="layer|global", help="which weights are ranked together")
        ],
        "layers": shared.Layers,
        "exclude": shared.Exclude,
    },
    **LOOP,
    "Seeds": {"seed": shared.Seed, "seeds": shared.Seeds},
}


@with_options(OPTIONS, FinetuneConfig)
def finetune(
    options: Options,
    checkpoints: shared.Checkpoints = None,
    output: shared.Output = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Train pruned networks further and keep their zeros; prints each checkpoint's path.

    X.finetuned.trace.safetensors, beside X.finetuned.safetensors, keeps the pruned layers' weights of every epoch.

    \b
      apcli prune model.safetensors --sparsity 0.5,0.8 | apcli finetune --epochs 20 --lr 0.01
      apcli finetune model.safetensors --sparsity 0.9 --schedule cubic:end=0.5 --epochs 20
    """
    terminal.start("finetune", quiet)
    arguments = stdin.given(checkpoints)
    if output == "-":
        trace = options.get("trace", FinetuneConfig.trace)
        if trace not in (FinetuneConfig.trace, "none"):
            raise UsageError(f"--trace {trace} is a second file, which --output - cannot send: give --output a path")
        options["trace"] = "none"
    config = config_of(FinetuneConfig, options)
    tell = terminal.progress(stdin.count(arguments))
    with results.outputs(output, overwrite, arguments) as (places, send):
        for path in runs.finetune(config, stdin.checkpoints_in(arguments, config.weights_key), places, tell):
            send(path)

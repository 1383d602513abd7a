"""``apcli finetune``."""

from typing import Annotated

import typer

from apcli.allocations import SPARSITY_SCHEDULES
from apcli.cli import results
from apcli.cli.options import shared
from apcli.cli.options.loop import with_loop
from apcli.cli.options.network import with_data, with_inputs
from apcli.cli.streams import stdin, terminal
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.training import FinetuneConfig, LoopConfig
from apcli.criteria import IN_TRAINING
from apcli.errors import UsageError


@with_data
@with_inputs
@with_loop(FinetuneConfig.loop)
def finetune(
    checkpoints: shared.Checkpoints = None,
    model: shared.Model = FinetuneConfig.model,
    inputs: InputConfig = FinetuneConfig.inputs,
    read: DataConfig = DataConfig(),
    dense: shared.Dense = FinetuneConfig.dense,
    update: Annotated[
        str,
        typer.Option("--update", metavar="all|pruned", help="which weights learn: all, or the pruned layers' alone"),
    ] = FinetuneConfig.update,
    trace: Annotated[
        str, typer.Option("--trace", metavar="LIST", help="layers whose weights are kept each epoch; auto, none, names")
    ] = FinetuneConfig.trace,
    sparsity: Annotated[
        float | None, typer.Option("--sparsity", metavar="SHARE", help="prune on while training, up to this share")
    ] = FinetuneConfig.sparsity,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="NAME", help=f"how: {', '.join(SPARSITY_SCHEDULES.names)}")
    ] = FinetuneConfig.schedule,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help=f"which weights go: {', '.join(IN_TRAINING)}")
    ] = FinetuneConfig.method,
    scope: Annotated[
        str, typer.Option("--scope", metavar="layer|global", help="over what weights are ranked")
    ] = FinetuneConfig.scope,
    layers: shared.Layers = FinetuneConfig.layers,
    exclude: shared.Exclude = FinetuneConfig.exclude,
    recalibrate_bn: Annotated[
        bool, typer.Option("--recalibrate-bn", help="first measure batch-norm statistics anew on the training images")
    ] = False,
    loop: LoopConfig = FinetuneConfig.loop,
    seed: shared.Seed = None,
    output: shared.Output = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Train pruned networks on, their zeros held after every step; prints each checkpoint's path.

    Beside X.finetuned.safetensors, X.finetuned.trace.safetensors keeps the pruned layers' weights of every epoch.

    \b
      apcli prune model.safetensors --sparsity 0.5,0.8 | apcli finetune --epochs 20 --lr 0.01
      apcli finetune model.safetensors --sparsity 0.9 --schedule cubic:end=0.5 --epochs 20
    """
    terminal.start(quiet)
    if output == "-":
        if trace not in (FinetuneConfig.trace, "none"):
            raise UsageError(f"--trace {trace} is a second file, which --output - cannot send: give --output a path")
        trace = "none"
    growth = (sparsity, schedule, method, scope, layers, exclude)
    config = FinetuneConfig(read, loop, model, dense, update, trace, seed, recalibrate_bn, *growth, inputs)
    from apcli.stages.finetune import Finetuner
    from apcli.training.ranks import joined

    with (
        joined(loop.device) as ranks,
        results.outputs(output, overwrite, checkpoints or []) as (places, send),
        terminal.progress() as tell,
    ):
        finetuner = Finetuner(config, places, tell, ranks)
        for source in stdin.checkpoints_in(checkpoints or []):
            send(finetuner.finetune(source))

"""``apcli prune``."""

from typing import Annotated

import typer

from apcli.allocations import SCOPES
from apcli.cli import options, stages, streams
from apcli.cli.options import numbers, seeds
from apcli.configs import PruneConfig
from apcli.criteria import METHODS


def prune(
    checkpoints: options.Checkpoints = None,
    sparsity: Annotated[
        str, typer.Option("--sparsity", metavar="LIST", help="removed share of the weights, each in [0, 1)")
    ] = ...,  # type: ignore[assignment]  # required
    method: Annotated[
        str, typer.Option("--method", "--criterion", metavar="LIST", help=", ".join(METHODS.names))
    ] = PruneConfig.method,
    scope: Annotated[
        str, typer.Option("--scope", help=f"over what weights are ranked: {', '.join(SCOPES.names)}")
    ] = PruneConfig.scope,
    layers: options.Layers = PruneConfig.layers,
    exclude: options.Exclude = PruneConfig.exclude,
    seed: options.Seed = None,
    several_seeds: options.Seeds = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Set a share of the weights to exact zeros; prints each pruned file's path.

    Works on any safetensors file. Comma lists multiply: a file for each method and sparsity.

    \b
      apcli prune model.safetensors --method highest --sparsity 0.3
    """
    streams.start(quiet)
    config = PruneConfig(
        sparsity=numbers(sparsity, "--sparsity", "0.1,0.3"),
        method=method,
        scope=scope,
        layers=layers,
        exclude=exclude,
        seeds=seeds(seed, several_seeds),
    )
    from apcli.operations import prune as operation

    with stages.outputs(output, overwrite, checkpoints or []) as (places, send):
        operation.check(config, places)
        for source in streams.checkpoints_in(checkpoints or []):
            for path in operation.prune(source, config, places):
                send(path)

"""``apcli prune``."""

from typing import Annotated, Any

import typer

from apcli.allocations import SCOPES
from apcli.cli import results
from apcli.cli.options import shared
from apcli.cli.options.network import with_data, with_inputs
from apcli.cli.options.shared import numbers, seeds
from apcli.cli.streams import stdin, terminal
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig, InputConfig
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.errors import UsageError
from apcli.registry.tables import split_list

_METHODS = f"{', '.join(METHODS.names)}; of filters {', '.join(FILTER_METHODS.names)}; default lowest, l1"


@with_data
@with_inputs
def prune(
    checkpoints: shared.Checkpoints = None,
    sparsity: Annotated[
        str | None, typer.Option("--sparsity", metavar="LIST", help="removed share of the weights, each in [0, 1)")
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option("--compression", metavar="LIST", help="instead of --sparsity: parameters / kept parameters"),
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", "--criterion", metavar="LIST", help=_METHODS)
    ] = PruneConfig.method,
    scope: Annotated[
        str, typer.Option("--scope", help=f"over what weights are ranked: {', '.join(SCOPES.names)}")
    ] = PruneConfig.scope,
    layers: shared.Layers = PruneConfig.layers,
    exclude: shared.Exclude = PruneConfig.exclude,
    layer_sparsity: Annotated[
        str | None, typer.Option("--layer-sparsity", metavar="LIST", help="of single layers: conv1=0.2,fc*=0.8")
    ] = None,
    min_keep: Annotated[
        float, typer.Option("--min-keep", metavar="N", help="so many weights of a layer stay, or this share below 1")
    ] = PruneConfig.min_keep,
    structure: Annotated[
        str, typer.Option("--structure", metavar="weight|filter|N:M", help="single weights, channels, or N of every M")
    ] = PruneConfig.structure,
    compact: Annotated[bool, typer.Option("--compact", help="take the channels out: a smaller network")] = False,
    like: Annotated[
        str | None, typer.Option("--like", metavar="LIST", help="for random-same-layers: as many zeros as these files")
    ] = None,
    mask_from: Annotated[
        str | None, typer.Option("--mask-from", metavar="LIST", help="instead of a method: the zeros of these files")
    ] = None,
    rewind_to: Annotated[
        str | None,
        typer.Option("--rewind-to", metavar="FILE", help="give the kept weights, and all else, this file's values"),
    ] = None,
    storage: Annotated[
        str, typer.Option("--storage", metavar="dense|bitmask", help="bitmask: smaller, for apcli alone to read")
    ] = PruneConfig.storage,
    model: shared.Model = PruneConfig.model,
    inputs: InputConfig = PruneConfig.inputs,
    read: DataConfig = DataConfig(),
    split: shared.Split = PruneConfig.split,
    images: shared.Images = PruneConfig.images,
    batch_size: shared.BatchSize = PruneConfig.batch_size,
    device: shared.Device = PruneConfig.device,
    seed: shared.Seed = None,
    several_seeds: shared.Seeds = None,
    output: shared.Output = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Set a share of the weights to exact zeros; prints each pruned file's path.

    Works on any safetensors file; methods that run the network need to know which it is. Comma lists multiply.

    \b
      apcli prune model.safetensors --method highest --sparsity 0.3
      apcli prune model.safetensors --method taylor --scope global --sparsity 0.5,0.9 --data cifar10
      apcli prune model.safetensors --structure filter --sparsity 0.5 --compact
    """
    terminal.start(quiet)
    amounts = {
        "sparsity": () if sparsity is None else numbers(sparsity, "--sparsity", "0.1,0.3"),
        "compression": () if compression is None else numbers(compression, "--compression", "2,4"),
        "layer_sparsity": _by_layer(layer_sparsity),
    }
    choice = {"method": method, "scope": scope, "layers": layers, "exclude": exclude, "min_keep": min_keep}
    files = {"like": like, "mask_from": mask_from, "rewind_to": rewind_to, "storage": storage}
    probed = {"model": model, "split": split, "images": images, "batch_size": batch_size, "device": device}
    structured = {"structure": structure, "compact": compact, "seeds": seeds(seed, several_seeds)}
    config = PruneConfig(**amounts, **choice, **structured, **files, data=read, inputs=inputs, **probed)  # type: ignore[arg-type]
    _prune(checkpoints or [], config, output, overwrite)


def _prune(checkpoints: list[str], config: PruneConfig, output: str | None, overwrite: bool) -> None:
    from apcli.stages.prune import stage as operation
    from apcli.stages.prune.requests import check, needs_network

    with results.outputs(output, overwrite, checkpoints) as (places, send), terminal.progress() as tell:
        check(config, places)
        network: Any = None
        if needs_network(config):
            from apcli.stages.prune.network import NetworkScores

            network = NetworkScores(config, tell)
        for source in stdin.checkpoints_in(checkpoints):
            for path in operation.prune(source, config, places, network):
                tell("")
                send(path)


def _by_layer(text: str | None) -> tuple[tuple[str, float], ...]:
    """Read ``conv1=0.2,fc=0.8``.

    Raises:
        UsageError: a member is no layer with a number.
    """
    found = []
    for member in split_list(text, "layer") if text is not None else ():
        layer, _, share = member.partition("=")
        try:
            found.append((layer.strip(), float(share)))
        except ValueError:
            raise UsageError(f"--layer-sparsity has {member!r}: expected LAYER=SHARE, as in conv1=0.2,fc=0.8") from None
    return tuple(found)

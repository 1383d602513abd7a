"""``apcli train``."""

from typing import Annotated

import typer

from apcli.cli import options, stages, streams
from apcli.cli.loop_options import with_loop
from apcli.cli.network_options import with_data, with_inputs
from apcli.cli.options import seeds
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.training import LoopConfig, ModelConfig, TrainConfig


@with_data
@with_inputs
@with_loop(TrainConfig.loop)
def train(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="a name, torchvision:NAME, timm:NAME, or FILE.py:function")
    ],
    read: DataConfig = DataConfig(),
    pretrained: Annotated[
        bool, typer.Option("--pretrained/--no-pretrained", help="start from published weights")
    ] = False,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="FILE", help="start from a file's weights")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="tensor names in --weights that differ")
    ] = None,
    inputs: InputConfig = InputConfig(),
    loop: LoopConfig = TrainConfig.loop,
    seed: options.Seed = None,
    several_seeds: options.Seeds = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a dense network; prints the checkpoint's path.

    apcli train resnet20 --data digits --epochs 30
    apcli train resnet20 --data cifar10 --weights theirs.th --rename linear=fc --epochs 0
    """
    streams.start(quiet)
    config = TrainConfig(
        model=ModelConfig(model, pretrained, **vars(inputs)),
        data=read,
        loop=loop,
        weights=weights,
        rename=tuple(rename or ()),
        seeds=seeds(seed, several_seeds) or TrainConfig.seeds,
    )
    from apcli.operations import train as operation
    from apcli.training.ranks import joined

    with (
        joined(loop.device) as ranks,
        stages.outputs(output, overwrite, []) as (places, send),
        streams.progress() as tell,
    ):
        for path in operation.train(config, places, tell, ranks):
            send(path)

"""``apcli train``."""

from typing import Annotated

import typer

from apcli.cli import results
from apcli.cli.options import shared
from apcli.cli.options.loop import with_loop
from apcli.cli.options.network import with_data, with_inputs
from apcli.cli.options.shared import seeds
from apcli.cli.streams import terminal
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
    seed: shared.Seed = None,
    several_seeds: shared.Seeds = None,
    output: shared.Output = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Train a dense network; prints the checkpoint's path.

    apcli train resnet20 --data digits --epochs 30
    apcli train resnet20 --data cifar10 --weights theirs.th --rename linear=fc --epochs 0
    """
    terminal.start(quiet)
    config = TrainConfig(
        model=ModelConfig(model, pretrained, **vars(inputs)),
        data=read,
        loop=loop,
        weights=weights,
        rename=tuple(rename or ()),
        seeds=seeds(seed, several_seeds) or TrainConfig.seeds,
    )
    from apcli.stages import train as operation
    from apcli.training.ranks import joined

    with (
        joined(loop.device) as ranks,
        results.outputs(output, overwrite, []) as (places, send),
        terminal.progress() as tell,
    ):
        for path in operation.train(config, places, tell, ranks):
            send(path)

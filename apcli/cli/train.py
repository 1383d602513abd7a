"""``apcli train``."""

from typing import Annotated

import typer

from apcli.cli import options, stages, streams
from apcli.cli.loop_options import with_loop
from apcli.cli.options import numbers, seeds
from apcli.configs.shared import DataConfig
from apcli.configs.training import LoopConfig, ModelConfig, TrainConfig


@with_loop(TrainConfig.loop)
def train(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="a name, torchvision:NAME, timm:NAME, or FILE.py:function")
    ],
    data: options.Data = None,
    data_dir: options.DataDir = DataConfig.data_dir,
    download: options.Download = False,
    workers: options.Workers = DataConfig.workers,
    cache: options.Cache = DataConfig.cache,
    pretrained: Annotated[
        bool, typer.Option("--pretrained/--no-pretrained", help="start from published weights")
    ] = False,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="FILE", help="start from a file's weights")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="tensor names in --weights that differ")
    ] = None,
    num_classes: Annotated[int | None, typer.Option("--num-classes", metavar="N", help="default: the data's")] = None,
    input_size: Annotated[
        int | None, typer.Option("--input-size", metavar="N", help="pixels; default: the model's")
    ] = None,
    mean: Annotated[str | None, typer.Option("--mean", metavar="LIST", help="of each channel, in [0, 1]")] = None,
    std: Annotated[str | None, typer.Option("--std", metavar="LIST", help="of each channel, in [0, 1]")] = None,
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
        model=ModelConfig(
            name=model,
            pretrained=pretrained,
            num_classes=num_classes,
            input_size=input_size,
            mean=None if mean is None else numbers(mean, "--mean", "0.485,0.456,0.406"),
            std=None if std is None else numbers(std, "--std", "0.229,0.224,0.225"),
        ),
        data=DataConfig(data, data_dir, download, workers, cache),
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

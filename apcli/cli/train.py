"""``apcli train``."""

import logging
from typing import Annotated

import typer

from apcli.api import runs
from apcli.cli import results
from apcli.cli.options import completion, shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.loop import LOOP
from apcli.cli.options.network import DATA, inputs
from apcli.cli.streams import stdin, terminal
from apcli.configs.training import TrainConfig
from apcli.configs.values import config_of

log = logging.getLogger("apcli")

OPTIONS: Groups = {
    "Data": DATA,
    "Model": {
        "pretrained": Annotated[
            bool, typer.Option("--pretrained/--no-pretrained", help="start from published weights")
        ],
        "weights": Annotated[str | None, typer.Option("--weights", metavar="FILE", help="start from a file's weights")],
        "weights_key": shared.WeightsKey,
        "rename": Annotated[
            list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="rename tensors of --weights")
        ],
        **inputs(classes="the file's, else the data's"),
    },
    **LOOP,
    "Seeds": {"seed": shared.Seed, "seeds": shared.Seeds},
}


@with_options(OPTIONS, TrainConfig)
def train(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=completion.of_models,
            help="a name, torchvision:NAME, timm:NAME, or FILE.py:function; several separated by commas",
        ),
    ],
    options: Options,
    output: shared.Output = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Train dense networks; prints each checkpoint's path. Comma lists of models, data sets and seeds multiply.

    \b
      apcli train resnet20 --data digits --epochs 30
      apcli train resnet20,vgg11 --data cifar10,cifar100 --seeds 0,1,2
      apcli train resnet20 --data cifar10 --weights theirs.th --rename linear=fc --epochs 0
    """
    terminal.start("train", quiet)
    told = _tell_unread()
    config = config_of(TrainConfig, {"model": model, **options})
    tell = terminal.progress(inputs=1)
    with results.outputs(output, overwrite, []) as (places, send):
        for path in runs.train(config, places, tell):
            send(path)
    if not told:
        _tell_unread()


def _tell_unread() -> bool:
    """Warn of paths that are piped in, as other stages take them; False if there are none, or none yet."""
    unread = stdin.holds_more()
    if unread:
        log.warning("standard input is not read: train starts from a file that is given as --weights FILE")
    return unread

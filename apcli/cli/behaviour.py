"""``apcli behaviour``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from apcli.api import runs
from apcli.cli.options import completion, shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.help import INPUT
from apcli.cli.options.network import DATA, INPUTS
from apcli.cli.results import emit, emit_records
from apcli.cli.streams import stdin, stdout, terminal
from apcli.cli.texts import behaviour as texts
from apcli.configs.behaviour import BehaviourConfig
from apcli.configs.values import config_of
from apcli.data.shifts import SHIFTS

if TYPE_CHECKING:
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.records.behaviour import BehaviourRecord

Validation = Annotated[
    float,
    typer.Option("--validation", metavar="X", help="share of the images to fit temperatures on; 0: fit none"),
]
Shift = Annotated[
    str | None,
    typer.Option(
        "--shift",
        metavar="LIST",
        autocompletion=completion.of_tables(SHIFTS),
        help=f"see the images once more with {', '.join(SHIFTS.names)}; as noise:severity=1..5",
    ),
]
FeatureImages = Annotated[
    int, typer.Option("--feature-images", metavar="N", help="images to compare layers on; 0: none")
]
Predictions = Annotated[
    str | None,
    typer.Option("--predictions", metavar="DIR", help="folder for what the networks make of each image, a file a pair"),
]

OPTIONS: Groups = {
    INPUT: {"weights_key": shared.WeightsKey},
    "Layers": {"layers": shared.ComparedLayers, "exclude": shared.Exclude},
    "Model": {"model": shared.Model, **INPUTS, "device": shared.Device},
    "Data": {
        **DATA,
        "split": shared.Split,
        "images": shared.Images,
        "validation": Validation,
        "shift": Shift,
        "feature_images": FeatureImages,
        "batch_size": shared.BatchSize,
    },
    "Output": {"predictions": Predictions, "overwrite": shared.Overwrite},
}


@with_options(OPTIONS, BehaviourConfig)
def behaviour(
    options: Options,
    checkpoints: shared.Checkpoints = None,
    dense: shared.Dense = None,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Compare what a pruned network and its dense one do with the same images, beyond accuracy and loss.

    Files are paired as by `divergence`. Each record says how often the two agree, which images flip and which classes
    pay (McNemar's test), how well the confidences of both are calibrated, and where along the depth they part (CKA).
    Records about all pairs of a sparsity follow: images that most pruned networks get wrong, and overlaps of masks.

    \b
      apcli behaviour a b
      apcli prune a --sparsity 0.5,0.8 | apcli behaviour --images 1000 --json
      apcli behaviour a b --data cifar10 --shift noise,blur:severity=3
    """
    terminal.start("behaviour", quiet, writes=False)
    arguments = stdin.given(checkpoints)
    config = config_of(BehaviourConfig, options)
    tell = terminal.progress(stdin.count_pairs(arguments, dense))
    pairs = stdin.pairs_in(arguments, dense, config.weights_key)
    compared, over_all = runs.behaviour(config, pairs, tell)
    emit_records(compared, as_json, _emit_table, tell)
    emit(over_all(), as_json, _emit_over_all)


def _emit_table(dense: "Checkpoint", pruned: "Checkpoint", records: "list[BehaviourRecord]") -> None:
    for record in records:
        for grid in texts.of_pair(f"{dense.label} (dense) and {pruned.label}", record):
            stdout.emit_table(grid)


def _emit_over_all(records: "list[Any]") -> None:
    for grid in texts.over_all(records):
        stdout.emit_table(grid)

"""The command line's options, each declared once; defaults are those of the configs."""

from typing import Annotated

import typer

from apcli.cli.options import completion
from apcli.cli.options.help import INPUT
from apcli.projections import DISTRIBUTIONS
from apcli.theory import ESTIMATORS, MEASURES

Checkpoints = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CHECKPOINT]...",
        help="safetensors or PyTorch files, hf:OWNER/NAME, torchvision:NAME, timm:NAME; none or -: standard input",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        rich_help_panel="Output",
        metavar="PATH",
        help="file, folder, or - for bytes on standard output",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", rich_help_panel="Output", help="replace files that exist")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", rich_help_panel="Output", help="print nothing but errors on standard error")
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel="Output", help="print JSON Lines on a terminal too")]
Layers = Annotated[str, typer.Option("--layers", metavar="LIST", help="all, last, names and globs")]
Exclude = Annotated[
    str | None, typer.Option("--exclude", metavar="LIST", help="layers to leave out: last, names and globs")
]
Dense = Annotated[
    str | None,
    typer.Option("--dense", metavar="FILE", rich_help_panel=INPUT, help="the dense file; default: the lineage's"),
]
WeightsKey = Annotated[
    str | None,
    typer.Option(
        "--weights-key",
        metavar="NAME",
        help="which state dict of a PyTorch file, as state_dict_ema; default: state_dict, model, ...",
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        autocompletion=completion.of_models,
        help="network, if the file does not record it (or FILE.py:function)",
    ),
]

Dist = Annotated[
    str,
    typer.Option(
        "--dist",
        metavar="LIST",
        autocompletion=completion.of_tables(DISTRIBUTIONS),
        help=f"{', '.join(DISTRIBUTIONS.names)}, FILE.py:function; as name:key=value",
    ),
]
Measure = Annotated[
    str,
    typer.Option(
        "--measure",
        metavar="LIST",
        autocompletion=completion.of_tables(MEASURES),
        help=f"{', '.join(MEASURES.names)}, as name:key=value",
    ),
]
Estimator = Annotated[
    str,
    typer.Option(
        "--estimator",
        metavar="NAME",
        autocompletion=completion.of_tables(ESTIMATORS),
        help=f"{', '.join(ESTIMATORS.names)}; exact falls back on mc",
    ),
]
Samples = Annotated[int, typer.Option("--samples", metavar="N", help="Monte Carlo draws")]
Repeats = Annotated[int, typer.Option("--repeats", metavar="N", help="repeat the Monte Carlo estimate N times")]
DrawSeed = Annotated[int, typer.Option("--seed", metavar="N", help="seed of the Monte Carlo draws")]
Groups = Annotated[
    int, typer.Option("--groups", metavar="N", help="first average the weights in about N groups; 0: no groups")
]
Level = Annotated[
    str,
    typer.Option(
        "--level",
        metavar="LIST",
        help="records for each filter, each layer, all layers as one (network), or both (layer,network)",
    ),
]
ComparedLayers = Annotated[
    str | None,
    typer.Option("--layers", metavar="LIST", help="all, last, names and globs; default: the pruned ones"),
]
Split = Annotated[str, typer.Option("--split", metavar="test|train", help="images to run the network on")]
Images = Annotated[int, typer.Option("--images", metavar="N", help="number of images, evenly spaced; 0: all")]

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME",
        autocompletion=completion.of_data,
        help="digits, cifar10, ... or folder:PATH; an unknown name lists all",
    ),
]
DataDir = Annotated[
    str, typer.Option("--data-dir", metavar="DIR", envvar="APCLI_DATA_DIR", help="folder of the data sets")
]
Download = Annotated[bool, typer.Option("--download", help="download the data set if it is missing")]
Workers = Annotated[int, typer.Option("--workers", "-j", metavar="N", help="threads, or processes, that decode images")]
Cache = Annotated[
    str,
    typer.Option("--cache", metavar="auto|memory|none", help="where to cache decoded images"),
]
ExifOrientation = Annotated[
    bool | None,
    typer.Option(
        "--exif-orientation/--no-exif-orientation",
        help="turn a folder's images as their EXIF orientation says; default: as in training, else not",
    ),
]
BatchSize = Annotated[int, typer.Option("--batch-size", "-b", metavar="N", help="images at a time")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="seed of all random draws")]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="LIST", help="several seeds, a file for each")]

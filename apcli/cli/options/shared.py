"""The command line's options, each declared once; defaults are those of the configs."""

from typing import Annotated

import typer

from apcli.projections import DISTRIBUTIONS
from apcli.theory import ESTIMATORS, MEASURES

Checkpoints = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CHECKPOINT]...", help="safetensors files; none or -: read standard input"),
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="PATH", help="file, folder, or - for bytes on standard output")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace files that exist")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="say nothing on standard error but errors")]
Json = Annotated[bool, typer.Option("--json", help="print JSON Lines on a terminal too")]
Layers = Annotated[str, typer.Option("--layers", metavar="LIST", help="all, last, names and globs")]
Exclude = Annotated[str | None, typer.Option("--exclude", metavar="LIST", help="layers to leave out, likewise")]
Dense = Annotated[str | None, typer.Option("--dense", metavar="FILE", help="the dense file; default: the lineage's")]

Model = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="for a file that does not say, or FILE.py:function")
]

Dist = Annotated[
    str,
    typer.Option(
        "--dist", metavar="LIST", help=f"{', '.join(DISTRIBUTIONS.names)}, FILE.py:function; as name:key=value"
    ),
]
Measure = Annotated[
    str, typer.Option("--measure", metavar="LIST", help=f"{', '.join(MEASURES.names)}, as name:key=value")
]
Estimator = Annotated[
    str, typer.Option("--estimator", metavar="NAME", help=f"{', '.join(ESTIMATORS.names)}; exact falls back on mc")
]
Samples = Annotated[int, typer.Option("--samples", metavar="N", help="draws of Monte Carlo")]
Repeats = Annotated[int, typer.Option("--repeats", metavar="N", help="so many times the draws of Monte Carlo")]
DrawSeed = Annotated[int, typer.Option("--seed", metavar="N", help="seed of the draws of Monte Carlo")]
Groups = Annotated[
    int, typer.Option("--groups", metavar="N", help="average the weights into about N groups first; 0: do not")
]
Level = Annotated[
    str,
    typer.Option(
        "--level", metavar="both|layer|network", help="records for each layer, for all of them as one, or both"
    ),
]
ComparedLayers = Annotated[
    str | None,
    typer.Option("--layers", metavar="LIST", help="all, last, names and globs; default: the pruned ones"),
]
Split = Annotated[str, typer.Option("--split", metavar="test|train", help="the images that the network is measured on")]
Images = Annotated[int, typer.Option("--images", metavar="N", help="how many of them, evenly spaced; 0: all")]

Data = Annotated[
    str | None,
    typer.Option("--data", metavar="NAME", help="digits, cifar10, ... or folder:PATH; an unknown name lists all"),
]
DataDir = Annotated[str, typer.Option("--data-dir", metavar="DIR", envvar="APCLI_DATA_DIR", help="where data sets lie")]
Download = Annotated[bool, typer.Option("--download", help="fetch the data set if it is not there")]
Workers = Annotated[int, typer.Option("--workers", "-j", metavar="N", help="threads, or processes, that decode images")]
Cache = Annotated[
    str,
    typer.Option("--cache", metavar="auto|memory|none", help="keep decoded files in memory, or read them anew"),
]
BatchSize = Annotated[int, typer.Option("--batch-size", "-b", metavar="N")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="seed of every draw")]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="LIST", help="several seeds, a file for each")]

"""``apcli divergence``."""

import math
from typing import TYPE_CHECKING, TypeGuard

from apcli.api import runs
from apcli.cli.layout.tables import Column, Grid
from apcli.cli.options import shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.help import INPUT
from apcli.cli.options.network import DATA, INPUTS
from apcli.cli.results import emit_records
from apcli.cli.streams import stdin, stdout, terminal
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.values import config_of
from apcli.projections import DISTRIBUTIONS
from apcli.projections.caveats import of_projection
from apcli.theory import MEASURES

if TYPE_CHECKING:
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.records.divergence import DivergenceRecord

OPTIONS: Groups = {
    INPUT: {"weights_key": shared.WeightsKey},
    "Distributions": {
        "dist": shared.Dist,
        "measure": shared.Measure,
        "groups": shared.Groups,
    },
    "Layers": {"level": shared.Level, "layers": shared.ComparedLayers, "exclude": shared.Exclude},
    "Estimator": {
        "estimator": shared.Estimator,
        "samples": shared.Samples,
        "repeats": shared.Repeats,
        "seed": shared.DrawSeed,
    },
    "Model (for distributions that run it)": {"model": shared.Model, **INPUTS, "device": shared.Device},
    "Data (for distributions that look at it)": {
        **DATA,
        "split": shared.Split,
        "images": shared.Images,
        "batch_size": shared.BatchSize,
    },
}

_COLUMNS = (
    Column("epoch", rank=1),
    Column("layer", "name"),
    Column("dim", rank=4),
    Column("dist", "name"),
    Column("measure", "name"),
    Column("value"),
    Column("PD loss (test)", rank=2),
    Column("PD accuracy (test)", rank=3),
)


@with_options(OPTIONS, DivergenceConfig)
def divergence(
    options: Options,
    checkpoints: shared.Checkpoints = None,
    dense: shared.Dense = None,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Measure how far pruned weights moved: AP2 and AP3 (nats), per layer and pooled (*), beside PD.

    Two files are a pair, the dense one first. Several files, or two pruned ones, are each compared with --dense, with
    the dense ancestor in their lineage or, if that names none, with the first file. The trace of a fine-tuned file adds
    a record for each epoch.

    \b
      apcli divergence a b --dist student-t
      apcli divergence a b --dist gaussian:cov=activation,predictive --data digits
      apcli divergence a b --dist student-t:df=3 --measure js,tv --estimator mc
      apcli divergence a b --level filter,network --json
    """
    terminal.start("divergence", quiet, writes=False)
    arguments = stdin.given(checkpoints)
    config = config_of(DivergenceConfig, options)
    tell = terminal.progress(stdin.count_pairs(arguments, dense))
    pairs = stdin.pairs_in(arguments, dense, config.weights_key)
    emit_records(runs.divergence(config, pairs, tell), as_json, _emit_table, tell)


def _emit_table(dense: "Checkpoint", pruned: "Checkpoint", records: "list[DivergenceRecord]") -> None:
    title = f"{dense.label} (dense) and {pruned.label}"
    rows = []
    for record in records:
        pd = record.pd.test
        named = (record.compared, str(record.dim), _spec(record), _measure_name(record), _value(record))
        loss, accuracy = (None, None) if pd is None else (pd.loss, pd.accuracy)
        rows.append([_text(record.epoch, "d"), *named, _text(loss, ".4f"), _text(accuracy, ".2f")])
    finite = [record for record in records if _is_finite(record.value)]
    caveats = {_spec(record): of_projection(record.dist, record.params) for record in finite}
    caption = "\n".join(f"{spec} {words}" for spec, sentences in caveats.items() for words in sentences)
    stdout.emit_table(Grid(_COLUMNS, rows, title, caption))


def _spec(record: "DivergenceRecord") -> str:
    return DISTRIBUTIONS.spec_of(record.dist, record.params)


def _measure_name(record: "DivergenceRecord") -> str:
    name = str(record.measure)
    if name not in MEASURES:  # a number such as AP2 is its own measure
        return name
    spec = MEASURES.spec_of(name, record.measure_params)
    return spec if record.draws is None else f"{spec} ({record.estimator})"


def _value(record: "DivergenceRecord") -> str:
    if not _is_finite(record.value):
        return "-"
    return f"{record.value:.6g}" + (f" ± {record.std_error:.2g}" if record.std_error else "")


def _is_finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

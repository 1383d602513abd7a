"""``apcli divergence``."""

import math
from collections.abc import Iterator
from typing import Any

from apcli import records
from apcli.cli.options import shared
from apcli.cli.options.network import with_data, with_inputs
from apcli.cli.streams import stdin, stdout, terminal
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.shared import DataConfig, InputConfig
from apcli.errors import UsageError
from apcli.projections import DISTRIBUTIONS
from apcli.projections.caveats import of_projection
from apcli.registry.tables import Choice
from apcli.theory import MEASURES


@with_data
@with_inputs
def divergence(
    checkpoints: shared.Checkpoints = None,
    dist: shared.Dist = DivergenceConfig.dist,
    measure: shared.Measure = DivergenceConfig.measure,
    estimator: shared.Estimator = DivergenceConfig.estimator,
    samples: shared.Samples = DivergenceConfig.samples,
    repeats: shared.Repeats = DivergenceConfig.repeats,
    seed: shared.DrawSeed = DivergenceConfig.seed,
    groups: shared.Groups = DivergenceConfig.groups,
    level: shared.Level = DivergenceConfig.level,
    dense: shared.Dense = None,
    layers: shared.ComparedLayers = DivergenceConfig.layers,
    exclude: shared.Exclude = DivergenceConfig.exclude,
    model: shared.Model = DivergenceConfig.model,
    inputs: InputConfig = DivergenceConfig.inputs,
    read: DataConfig = DataConfig(),
    split: shared.Split = DivergenceConfig.split,
    images: shared.Images = DivergenceConfig.images,
    batch_size: shared.BatchSize = DivergenceConfig.batch_size,
    device: shared.Device = DivergenceConfig.device,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Measure how far pruned weights moved: AP2 and AP3 (nats), per layer and pooled (*), beside PD.

    Two files are a pair, the dense one first. Several, or two that are both pruned, are each set against --dense or
    the dense ancestor that its lineage names; the trace of a fine-tuned file adds a record for each epoch.

    \b
      apcli divergence a b --dist student-t
      apcli divergence a b --dist gaussian:cov=activation,predictive --data digits
      apcli divergence a b --dist student-t:df=3 --measure js,tv --estimator mc
    """
    terminal.start(quiet)
    config = DivergenceConfig(
        dist=dist,
        measure=measure,
        estimator=estimator,
        samples=samples,
        repeats=repeats,
        seed=seed,
        groups=groups,
        level=level,
        layers=layers,
        exclude=exclude,
        data=read,
        model=model,
        inputs=inputs,
        split=split,
        images=images,
        batch_size=batch_size,
        device=device,
    )
    _measure(checkpoints or [], dense, config, as_json)


def _measure(checkpoints: list[str], dense: str | None, config: DivergenceConfig, as_json: bool) -> None:
    from apcli.stages.divergence.stage import Divergences

    with terminal.progress() as tell:
        divergences = Divergences(config, _on_data(config, tell), tell)
        for before, after in _pairs(checkpoints, dense):
            found = divergences.records(before, after)
            if stdout.wants_table(as_json):
                records_of_pair = list(found)
                tell("")
                _emit_table(f"{before.label} (dense) and {after.label}", records_of_pair)
            else:
                for record in found:
                    tell("")
                    stdout.emit_line(records.dump(record))


def _on_data(config: DivergenceConfig, tell: Any) -> Any:
    from apcli.stages.divergence.choices import needs_data

    if not needs_data(config):
        return None
    from apcli.projections.network import DataProjections

    return DataProjections(config, tell)


def _pairs(arguments: list[str], dense: str | None) -> Iterator[tuple[Any, Any]]:
    from apcli.checkpoints.reading import dense_ancestor

    if len(arguments) == 2 and dense is None:
        if arguments.count("-") == 2:
            raise UsageError("- is given twice: standard input can be one file of the pair")
        pair = list(stdin.checkpoints_in(arguments))
        if len(pair) != 2:
            raise UsageError(
                f"{len(pair)} files came for a pair: expected - to be one file, or --dense FILE for several"
            )
        if not all(checkpoint.lineage and checkpoint.lineage["pruned"] for checkpoint in pair):
            yield pair[0], pair[1]  # the operation refuses the wrong order
            return
        arriving = iter(pair)
    else:
        arriving = stdin.checkpoints_in(arguments)
    for pruned in arriving:
        yield dense_ancestor(pruned, dense), pruned


def _emit_table(title: str, found: list[records.Record]) -> None:
    columns = ["epoch", "layer", "dim", "dist", "measure", "value", "PD loss (test)", "PD accuracy (test)"]
    rows = []
    for record in found:
        pd = record["pd"]["test"] or {}
        rows.append(
            [
                _text(record["epoch"], "d"),
                record["layer"],
                str(record["dim"]),
                _spec(record),
                _measure_name(record),
                _value(record),
                _text(pd.get("loss"), ".4f"),
                _text(pd.get("accuracy"), ".2f"),
            ]
        )
    finite = [record for record in found if math.isfinite(record["value"])]
    said = {_spec(record): of_projection(record["dist"], record["params"]) for record in finite}
    caption = "\n".join(f"{spec} {words}" for spec, sentences in said.items() for words in sentences)
    stdout.emit_table(title, columns, rows, caption or None)


def _spec(record: records.Record) -> str:
    return Choice(DISTRIBUTIONS.row(record["dist"]), record["params"]).spec


def _measure_name(record: records.Record) -> str:
    if record["measure"] == "ap2":
        return "ap2"
    spec = Choice(MEASURES.row(record["measure"]), record["measure_params"]).spec
    return spec if record["draws"] is None else f"{spec} ({record['estimator']})"


def _value(record: records.Record) -> str:
    if not math.isfinite(record["value"]):
        return "-"
    return f"{record['value']:.6g}" + (f" ± {record['std_error']:.2g}" if record["std_error"] else "")


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

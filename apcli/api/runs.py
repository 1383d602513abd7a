"""Run the stages: they accept checkpoints as they arrive, and yield each result as soon as it is complete.

The functions of this package and the commands of ``apcli.cli`` call them. A stage is imported when it runs, so that the
package and its help load quickly.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apcli.configs.behaviour import BehaviourConfig
from apcli.configs.bounds import BoundsConfig
from apcli.configs.describe import CostsConfig
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.export import ExportConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.report import ReportConfig
from apcli.configs.training import FinetuneConfig, TrainConfig
from apcli.configs.values import Config, config_of
from apcli.progress import Progress, Tell

if TYPE_CHECKING:
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.records.behaviour import BehaviourRecord
    from apcli.records.bound import BoundRecord
    from apcli.records.checkpoint import CheckpointRecord
    from apcli.records.divergence import DivergenceRecord
    from apcli.records.json_objects import Record
    from apcli.stages.bounds.networks import Pairs as NetworkPairs
    from apcli.stages.describe.costs import NetworkCosts
    from apcli.stages.export.places import Places
    from apcli.stages.outputs import Outputs
    from apcli.stages.prune.dry_run import Planned
    from apcli.stages.prune.network import NetworkScores
    from apcli.stages.report.runs.experiment import Report


def begun(kind: type[Config], keywords: Mapping[str, Any], given: Any) -> "tuple[Config, list[Checkpoint]]":
    """The config of a function's keywords and its open checkpoints; one that is not there is told before any keyword.

    Raises:
        UsageError: there is no such file, or a value makes no sense.
    """
    from apcli.checkpoints.reading import listed, opened

    checkpoints = listed([given])
    config = config_of(kind, keywords)
    return config, opened(checkpoints, vars(config)["weights_key"])


def train(config: TrainConfig, outputs: "Outputs", tell: Progress) -> Iterator[Path]:
    """Train a network for each model, data set and seed; yields each file's path.

    PyTorch is loaded unless all results are there.
    """
    from apcli.stages import finished

    if (there := finished.trained(config, outputs)) is not None:
        tell.expect(len(there))
        for path in there:
            tell.finished(made=False)
            yield path
        return
    from apcli.stages import train as stage
    from apcli.training.processes import joined

    with joined(config.loop.device) as processes:
        yield from stage.train(config, outputs, tell, processes)


def prune(config: PruneConfig, sources: "Iterable[Checkpoint]", outputs: "Outputs", tell: Progress) -> Iterator[Path]:
    """Prune checkpoints as they arrive; yields each file's path."""
    from apcli.stages.prune import stage

    networks = _checked_networks(config, outputs, tell)
    for source in sources:
        yield from stage.prune(source, config, outputs, networks(source), tell)


def plan(
    config: PruneConfig, sources: "Iterable[Checkpoint]", outputs: "Outputs", tell: Progress
) -> "Iterator[Planned]":
    """Plan what ``prune`` would make of checkpoints as they arrive; reads no data set, and writes nothing."""
    from apcli.stages.prune.dry_run import dry_run

    networks = _checked_networks(config, outputs, tell)
    for source in sources:
        yield from dry_run(source, config, outputs, networks(source))


def _checked_networks(
    config: PruneConfig, outputs: "Outputs", tell: Progress
) -> "Callable[[Checkpoint], NetworkScores | None]":
    """Check a request before anything is read; returns a function: what builds a checkpoint's network, if need be."""
    from apcli.stages.prune.requests import check, needs_network

    check(config, outputs)

    @cache
    def networks() -> "NetworkScores":
        from apcli.stages.prune.network import NetworkScores  # imports torch

        return NetworkScores(config, tell)

    if needs_network(config):
        networks()  # a wrong device is told before anything is read
    return lambda source: networks() if needs_network(config, source) else None


def finetune(
    config: FinetuneConfig, sources: "Iterable[Checkpoint]", outputs: "Outputs", tell: Progress
) -> Iterator[Path]:
    """Fine-tune checkpoints as they arrive, with each seed; yields each file's path.

    PyTorch is loaded for the first of them whose result is not there yet.
    """
    from apcli.stages import finished

    seeds = config.seeds or (None,)
    outputs.expect(len(seeds))
    tell.expect(len(seeds))
    with ExitStack() as stack:
        finetune = None if finished.can_tell(config, outputs) else _finetuning(config, outputs, tell, stack)
        for source, seed in ((source, seed) for source in sources for seed in seeds):
            path = None if finetune else finished.finetuned(source, config, outputs, seed)
            if path is None:
                finetune = finetune or _finetuning(config, outputs, tell, stack)
                path = finetune(source, seed)
            else:
                tell.finished(made=False)
            yield path


def _finetuning(
    config: FinetuneConfig, outputs: "Outputs", tell: Progress, stack: ExitStack
) -> "Callable[[Checkpoint, int | None], Path]":
    from apcli.stages.finetune import Finetuner
    from apcli.training.processes import joined

    return Finetuner(config, outputs, tell, stack.enter_context(joined(config.loop.device))).finetune


def divergence(
    config: DivergenceConfig, pairs: "Iterable[tuple[Checkpoint, Checkpoint]]", tell: Progress
) -> "Iterator[tuple[Checkpoint, Checkpoint, Iterator[DivergenceRecord]]]":
    """Measure pairs, dense and pruned, as they arrive; yields each pair with an iterator of its records.

    Raises:
        UsageError: the request makes no sense; raised at once, before anything is read.
    """
    from apcli.stages.divergence.choices import needs_data
    from apcli.stages.divergence.stage import Divergences

    on_data = None
    if needs_data(config):
        from apcli.projections.network import DataProjections

        on_data = DataProjections(config, tell)
    divergences = Divergences(config, on_data, tell)
    return ((before, after, divergences.records(before, _with_last(after, config, tell))) for before, after in pairs)


def bounds(
    config: BoundsConfig, pairs: "Iterable[tuple[Checkpoint, Checkpoint]]", tell: Progress
) -> "Iterator[tuple[Checkpoint, Checkpoint, Iterator[BoundRecord]]]":
    """Bound pairs, dense and pruned, as they arrive; yields each pair with an iterator of its records.

    Raises:
        UsageError: the request makes no sense; raised at once, before anything is read.
    """
    from apcli.stages.bounds.stage import Bounds

    @cache
    def networks() -> "NetworkPairs":
        from apcli.stages.bounds.networks import Pairs  # imports torch

        return Pairs(config, tell)

    stage = Bounds(config, networks, tell)
    return ((before, after, stage.records(before, _with_last(after, config, tell))) for before, after in pairs)


def behaviour(
    config: BehaviourConfig, pairs: "Iterable[tuple[Checkpoint, Checkpoint]]", tell: Progress
) -> "tuple[Iterator[tuple[Checkpoint, Checkpoint, Iterator[BehaviourRecord]]], Callable[[], Iterator[Record]]]":
    """Compare what pairs of networks do, as the pairs arrive.

    Returns:
        Each pair with an iterator of its records, and a function that gives those about all pairs, to be called last.

    Raises:
        UsageError: the request makes no sense; raised at once, before anything is read.
    """
    from apcli.stages.behaviour.stage import Behaviours

    stage = Behaviours(config, tell)
    compared = ((before, after, stage.records(before, _with_last(after, config, tell))) for before, after in pairs)
    return compared, stage.over_all


def _with_last(
    pruned: "Checkpoint", config: DivergenceConfig | BoundsConfig | BehaviourConfig, tell: Progress
) -> "Checkpoint":
    """The checkpoint with its network's layers, if ``last`` is asked for and only the network knows it."""
    from apcli.checkpoints.layers import last_is_missing

    if not last_is_missing(pruned, config.layers, config.exclude):
        return pruned
    from apcli.networks import with_last_layer  # imports torch

    return with_last_layer(pruned, tell)


def export(config: ExportConfig, sources: "Iterable[Checkpoint]", places: "Places", tell: Progress) -> Iterator[Path]:
    """Export checkpoints as they arrive; yields each product's path."""
    from apcli.stages.export.stage import Exporter

    exporter = Exporter(config, places, tell)
    for source in sources:
        yield from exporter.export(source)


def report(
    records: "Iterable[Record]", config: ReportConfig, tell: Progress, show: "Callable[[Report], None] | None" = None
) -> list[Path]:
    """Write the report of records in each format; returns the files. Nothing is drawn if all of them are there.

    Args:
        show: shows the report before the files are written, also one that is there.
    """
    from apcli.stages.report import files

    files.check(config)
    given = list(records)
    if there := files.are_there(given, config):
        if show is not None:
            from apcli.stages.report.runs.experiment import build

            show(build(given, file_describer(tell)))
        return there
    from apcli.stages.report import writing  # loads what draws

    return writing.make(given, config, file_describer(tell), show, tell)


def report_html(
    records: "Iterable[Record]", scale: str, tell: Progress, show: "Callable[[Report], None] | None" = None
) -> str:
    """The page of the report of records as text; ``scale`` as in ``ReportConfig``, ``show`` as in ``report``."""
    from apcli.stages.report import writing

    config = ReportConfig(scale=scale)
    return writing.html(records, file_describer(tell), show, config.scale)


def describe(config: CostsConfig, sources: "Iterable[Checkpoint]", tell: Progress) -> "Iterator[CheckpointRecord]":
    """Describe checkpoints as they arrive; raises after the description of one that has lost zeros."""
    from apcli.checkpoints.verification import verify_zeros

    describing = describer(config, tell)
    for checkpoint in sources:
        yield describing(checkpoint)
        verify_zeros(checkpoint)


def describer(config: CostsConfig, tell: Tell) -> "Callable[[Checkpoint], CheckpointRecord]":
    """A function that describes checkpoints; PyTorch is loaded for the first whose network is known."""
    from apcli.stages.describe import description as stage

    costs: NetworkCosts | None = None

    def describing(checkpoint: "Checkpoint") -> "CheckpointRecord":
        nonlocal costs
        tell(f"counting the zeros of {checkpoint.label}")
        description = stage.describe(checkpoint, config)
        if not config.wants_network or description.macs_reason is not None:
            return description
        if costs is None:
            from apcli.stages.describe.costs import NetworkCosts

            costs = NetworkCosts(config, tell)
        return costs.extend(description, checkpoint)

    return describing


def file_describer(tell: Tell) -> "Callable[[Path], CheckpointRecord]":
    """A function that describes the checkpoint at a path, with its multiply-adds where the network is known."""
    from apcli.checkpoints.reading import read

    describing = describer(CostsConfig(), tell)
    return lambda path: describing(read(path))

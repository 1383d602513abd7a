"""The stages as Python calls them: ``import apcli; apcli.prune("model.safetensors", sparsity=0.5)``.

Keywords, defaults and errors are those of the command line. Messages go to the logger ``apcli``. A stage is imported
when it runs, so that the package loads quickly.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from apcli.api import runs
from apcli.configs.behaviour import BehaviourConfig
from apcli.configs.bounds import BoundsConfig
from apcli.configs.describe import CostsConfig
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.keywords import (
    BehaviourKeywords,
    BoundsKeywords,
    CostsKeywords,
    DivergenceKeywords,
    File,
    Files,
    FinetuneKeywords,
    Names,
    PruneKeywords,
    TrainKeywords,
    with_keywords,
)
from apcli.configs.prune import PruneConfig
from apcli.configs.report import ReportConfig
from apcli.configs.training import FinetuneConfig, TrainConfig
from apcli.configs.values import config_of, text
from apcli.errors import UsageError
from apcli.progress import Progress

if TYPE_CHECKING:
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.records.bound import BoundRecord
    from apcli.records.checkpoint import CheckpointRecord
    from apcli.records.divergence import DivergenceRecord
    from apcli.records.json_objects import Record
    from apcli.stages.outputs import Outputs
    from apcli.stages.prune.dry_run import Planned

# ---- train


@with_keywords(TrainKeywords, TrainConfig)
def train(
    model: Names, *, output: File | None = None, overwrite: bool = False, **keywords: Unpack[TrainKeywords]
) -> "list[Checkpoint]":
    """Train a dense network for each model, data set and seed; returns the written checkpoints.

    Args:
        model: a name, ``torchvision:NAME``, ``timm:NAME``, or ``path/to/file.py:function``.
        output: the file, or the folder; default: the working folder.

    Raises:
        UsageError: a value makes no sense, or another file is in the way.
        ApcliError: weights do not fit, or the loss is no longer finite.

    >>> import apcli
    >>> [dense] = apcli.train("fc5", data="digits", epochs=1, batch_size=512, device="cpu")
    >>> dense.path.name
    'fc5-digits.safetensors'
    """
    config = config_of(TrainConfig, {"model": model, **keywords})
    return _read(runs.train(config, _outputs(output, overwrite), Progress()))


# ---- prune


@with_keywords(PruneKeywords, PruneConfig)
def prune(
    *checkpoints: Files, output: File | None = None, overwrite: bool = False, **keywords: Unpack[PruneKeywords]
) -> "list[Checkpoint]":
    """Set a share of the weights to exact zeros, by each method, sparsity and seed; returns the written checkpoints.

    Args:
        checkpoints: paths, ``Checkpoint`` objects, or iterables of these.
        output: the file, or the folder; default: beside each input.

    Raises:
        UsageError: a value makes no sense, or another file is in the way.
        ApcliError: a weight is NaN or Inf.
        VerificationError: a file has fewer zeros than promised.

    >>> pruned = apcli.prune(dense, sparsity=[0.5, 0.9])
    >>> [checkpoint.path.name for checkpoint in pruned]
    ['fc5-digits.lowest-0.5.safetensors', 'fc5-digits.lowest-0.9.safetensors']
    """
    config, sources = runs.begun(PruneConfig, keywords, checkpoints)
    return _read(runs.prune(config, sources, _outputs(output, overwrite, len(sources)), Progress()))


@with_keywords(PruneKeywords, PruneConfig)
def plan(
    *checkpoints: Files, output: File | None = None, overwrite: bool = False, **keywords: Unpack[PruneKeywords]
) -> "list[Planned]":
    """Plan what ``prune`` would make, as ``apcli prune --dry-run`` does; reads no data set, and writes nothing.

    Args:
        checkpoints: paths, ``Checkpoint`` objects, or iterables of these.
        output: the file, or the folder; default: beside each input.

    Raises:
        UsageError: a value makes no sense, or the layers cannot give what is asked for.
        ApcliError: a weight is NaN or Inf.

    >>> for planned in apcli.plan(dense, sparsity=[0.9, 0.95]):
    ...     print(planned.path, planned.state)
    fc5-digits.lowest-0.9.safetensors kept
    fc5-digits.lowest-0.95.safetensors to be written
    """
    config, sources = runs.begun(PruneConfig, keywords, checkpoints)
    return list(runs.plan(config, sources, _outputs(output, overwrite, len(sources)), Progress()))


# ---- finetune


@with_keywords(FinetuneKeywords, FinetuneConfig)
def finetune(
    *checkpoints: Files,
    output: File | None = None,
    overwrite: bool = False,
    **keywords: Unpack[FinetuneKeywords],
) -> "list[Checkpoint]":
    """Train pruned networks on, keeping their zeros after every step; returns the written checkpoints.

    Args:
        checkpoints: paths, ``Checkpoint`` objects, or iterables of these.
        output: the file, or the folder; default: beside each input.

    Raises:
        UsageError: a value makes no sense, or another file is in the way.
        ApcliError: weights do not fit, or the loss is no longer finite.
        VerificationError: a file has lost zeros.

    >>> tuned = apcli.finetune(pruned, epochs=1, batch_size=512, device="cpu")
    >>> [checkpoint.path.name for checkpoint in tuned]
    ['fc5-digits.lowest-0.5.finetuned.safetensors', 'fc5-digits.lowest-0.9.finetuned.safetensors']
    """
    config, sources = runs.begun(FinetuneConfig, keywords, checkpoints)
    return _read(runs.finetune(config, sources, _outputs(output, overwrite, len(sources)), Progress()))


# ---- divergence


@with_keywords(DivergenceKeywords, DivergenceConfig)
def divergence(
    *checkpoints: Files, dense: File | None = None, **keywords: Unpack[DivergenceKeywords]
) -> "Iterator[DivergenceRecord]":
    """Measure how far pruned weights moved, per layer and pooled (``*``), beside the performance; yields records.

    Args:
        checkpoints: paths, ``Checkpoint`` objects, or iterables of these. Two are a pair, the dense one first; several,
            or two that are both pruned, are each compared with ``dense`` or the dense ancestor in their lineage.

    Raises:
        UsageError: a value makes no sense, or the dense file is missing; raised at once, before the first record.
        ApcliError: the layers of the two files do not match, or a weight is NaN or Inf.

    >>> for record in apcli.divergence(dense, pruned[0], dist="gaussian", level="network"):
    ...     print(record.layer, record.dist, record.value > 0)
    * gaussian True
    """
    config, sources = runs.begun(DivergenceConfig, keywords, checkpoints)
    measured = runs.divergence(config, _pairs(sources, dense, config.weights_key), Progress())
    return chain.from_iterable(records for _, _, records in measured)


# ---- bounds


@with_keywords(BoundsKeywords, BoundsConfig)
def bounds(
    *checkpoints: Files, dense: File | None = None, **keywords: Unpack[BoundsKeywords]
) -> "Iterator[BoundRecord]":
    """Compute what theorems say that pruning can cost, beside what was measured; yields records.

    Args:
        checkpoints: as for ``divergence``; for a theory about the dense file alone, files without a ``dense`` one and
            not two are each a dense one.

    Raises:
        UsageError: a value makes no sense, or the dense file is missing; raised at once, before the first record.
        ApcliError: the layers of the two files do not match, a weight is NaN or Inf, or a network fails.

    >>> for record in apcli.bounds(dense, pruned[0]):
    ...     if (record.layer, record.bound.statement) == ("*", "corollary 1 by Bretagnolle-Huber"):
    ...         print(record.bound.quantity, record.bound.verdict)
    AP2 holds
    """
    from apcli.stages.bounds import about_dense_alone

    config, sources = runs.begun(BoundsConfig, keywords, checkpoints)
    pairs = _pairs(sources, dense, config.weights_key, alone=about_dense_alone(config.theory))
    return chain.from_iterable(records for _, _, records in runs.bounds(config, pairs, Progress()))


# ---- behaviour


@with_keywords(BehaviourKeywords, BehaviourConfig)
def behaviour(
    *checkpoints: Files, dense: File | None = None, **keywords: Unpack[BehaviourKeywords]
) -> "Iterator[Record]":
    """Compare what a pruned network and its dense one do with the same images; yields records.

    Those about all pairs come last: of kinds ``exemplars`` and ``overlap``.

    Args:
        checkpoints: as for ``divergence``.

    Raises:
        UsageError: a value makes no sense, or the dense file is missing; raised at once, before the first record.
        ApcliError: the layers of the two files do not match, or a network fails.

    >>> for record in apcli.behaviour(dense, pruned[0]):
    ...     print(record.predictions.flips.to_wrong > 0, record.calibration.images)
    True 284
    """
    config, sources = runs.begun(BehaviourConfig, keywords, checkpoints)
    compared, over_all = runs.behaviour(config, _pairs(sources, dense, config.weights_key), Progress())
    return chain.from_iterable(chain((records for _, _, records in compared), (part() for part in [over_all])))


# ---- report


def report(
    records: "File | Iterable[Record]",
    *,
    output: File | None = None,
    format: Names | None = None,
    figures: File | None = None,
    scale: str = "measured",
    overwrite: bool = False,
) -> list[Path]:
    """Draw divergence records as one self-contained page or in other formats; returns the written files.

    A report that is there already is replaced if its records are among those that are given.

    Args:
        records: from ``divergence``, or a file of them as ``apcli divergence --json`` prints them.
        output: the page, default ``report.html``.
        format: of html, md, csv, json, tex; default: by the ending of ``output``.
        figures: a folder for each figure as SVG, PNG and PDF.
        scale: of AP3 in figures: measured, or published: one σ for all, 1/σ² = 3.8 / largest AP2.

    Raises:
        UsageError: an unknown format or scale, or another file is in the way.
        ApcliError: there is no record, or one is malformed.

    >>> [page] = apcli.report(apcli.divergence(tuned, level="network"), output="page.html")
    >>> page.name
    'page.html'
    """
    if output == "-":
        raise UsageError("--output - is for the command line: apcli.report_html gives the page as text")
    config = ReportConfig.of(output, format, figures, scale, overwrite)
    return runs.report(_records_in(records), config, Progress())


def report_html(records: "File | Iterable[Record]", *, scale: str = "measured") -> str:
    """The page of ``report`` as text: for a notebook, or a server.

    Args:
        scale: as in ``report``.

    >>> apcli.report_html(apcli.divergence(tuned, level="network"))[:15]
    '<!DOCTYPE html>'
    """
    return runs.report_html(_records_in(records), scale, Progress())


def _records_in(given: "File | Iterable[Record]") -> "Iterator[Record]":
    from apcli.records import lines

    if not isinstance(given, str | os.PathLike):
        yield from given
        return
    path = Path(given)
    if not path.is_file():
        what = f"{path} is a folder" if path.is_dir() else f"no file {path}"
        raise UsageError(f"{what}: expected JSON Lines from `apcli divergence --json`")
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from lines.load(file, str(path))


# ---- describe


@with_keywords(CostsKeywords, CostsConfig)
def describe(checkpoint: File, **keywords: Unpack[CostsKeywords]) -> "CheckpointRecord":
    """Describe a checkpoint as ``apcli report CHECKPOINT --json`` does: its sizes, zeros, lineage and costs.

    Args:
        checkpoint: a path, or a ``Checkpoint``.

    Raises:
        UsageError: an option needs the network, but the file does not say which one it is.
        VerificationError: the file has fewer zeros than its lineage promises.

    >>> facts = apcli.describe(pruned[1], macs=False)
    >>> round(facts.sparsity, 3)
    0.9
    """
    config, sources = runs.begun(CostsConfig, keywords, checkpoint)
    (description,) = runs.describe(config, sources, Progress())
    return description


# ---- files


def _pairs(
    sources: "list[Checkpoint]", dense: File | None, weights_key: str | None, alone: bool = False
) -> "Iterator[tuple[Checkpoint, Checkpoint]]":
    """The pairs of a dense file and a pruned one, as the command line makes them."""
    from apcli.stages.pairs.pairing import pairs_of

    reference = None if dense is None else text("--dense", dense)
    return pairs_of(sources, reference, weights_key, pair=len(sources) == 2, alone=alone)


def _outputs(output: File | None, overwrite: bool, count: int = 1) -> "Outputs":
    from apcli.stages.outputs import Outputs

    if output == "-":
        raise UsageError("--output - is for the command line: expected a file or a folder")
    outputs = Outputs(None if output is None else Path(output), overwrite)
    outputs.expect(count)
    return outputs


def _read(paths: Iterable[Path]) -> "list[Checkpoint]":
    from apcli.checkpoints import reading

    return [reading.read(path) for path in paths]

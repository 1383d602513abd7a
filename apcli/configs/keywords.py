"""Keyword arguments of the Python functions: the command line's options with their types.

Defaults are in the configs. None means the default, or what the config defines for it. A list may be a single member,
an iterable, or the command line's comma-separated text.
"""

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict, TypeVar

from apcli.configs.values import defaults_of

Function = TypeVar("Function", bound=Callable[..., Any])

File = str | os.PathLike[str]  # a path, or a Checkpoint
Names = str | Iterable[str]
Files = File | Iterable[File]
Numbers = float | Iterable[float] | str
WholeNumbers = int | Iterable[int] | str


class DataKeywords(TypedDict, total=False):
    """The source of images."""

    data: Files | None  # several for ``train``
    data_dir: File
    download: bool
    workers: int
    cache: str
    exif_orientation: bool | None


class InputKeywords(TypedDict, total=False):
    """A network's input and output."""

    num_classes: int | None
    input_size: int | None
    mean: Numbers | None
    std: Numbers | None


class LoopKeywords(TypedDict, total=False):
    """The settings of training."""

    epochs: int
    eval_only: bool
    batch_size: int
    opt: str
    lr: float | None
    momentum: float | None
    weight_decay: float
    decay: str
    clip_grad: float | None
    layer_decay: float | None
    l1: float
    l1_form: str
    accumulate: int
    sched: str
    min_lr: float | None
    warmup_epochs: float
    augment: Names | None
    mixup: float
    cutmix: float
    label_smoothing: float
    drop_path: float | None
    teacher: File | None
    distill: float
    temperature: float
    ema: float | None
    images: int | None
    split: Names
    validation: float
    patience: int | None
    keep: str | None
    eval_every: int
    amp: bool | None
    compile: bool
    cuda_graph: bool | None
    device: str
    deterministic: bool
    checkpoint_every: float
    resume: bool
    log_dir: File | None
    log_interval: int | None


class TrainKeywords(DataKeywords, InputKeywords, LoopKeywords, total=False):
    """``apcli train``."""

    pretrained: bool
    weights: File | None
    weights_key: str | None
    rename: Names | Mapping[str, str] | None
    seed: int | None
    seeds: WholeNumbers | None


class FinetuneKeywords(DataKeywords, InputKeywords, LoopKeywords, total=False):
    """``apcli finetune``."""

    model: str | None
    dense: File | None
    weights_key: str | None
    update: str
    trace: Names
    sparsity: float | None
    schedule: str | None
    method: str
    scope: str
    layers: Names
    exclude: Names | None
    recalibrate_bn: bool
    seed: int | None
    seeds: WholeNumbers | None


class PruneKeywords(DataKeywords, InputKeywords, total=False):
    """``apcli prune``."""

    sparsity: float | str | Iterable[float | str] | None
    compression: Numbers | None
    budget: str | Mapping[str, Numbers] | None
    latency_table: File | None
    method: Names | None
    scope: Names
    layers: Names
    exclude: Names | None
    layer_sparsity: str | Mapping[str, float] | None
    min_keep: float
    structure: str
    compact: bool
    through_norms: bool
    like: Files | None
    mask_from: Files | None
    rewind_to: File | None
    adjust: bool
    weights_key: str | None
    storage: str
    model: str | None
    split: str
    images: int
    batch_size: int
    validation: float
    device: str
    seed: int | None
    seeds: WholeNumbers | None


class ComparisonKeywords(DataKeywords, InputKeywords, total=False):
    """What commands that compare a dense network with pruned ones share."""

    layers: Names | None
    exclude: Names | None
    weights_key: str | None
    model: str | None
    split: str
    images: int
    batch_size: int
    device: str


class DivergenceKeywords(ComparisonKeywords, total=False):
    """``apcli divergence``."""

    dist: Names
    measure: Names
    estimator: str
    samples: int
    repeats: int
    seed: int
    groups: int
    level: Names


class BoundsKeywords(ComparisonKeywords, total=False):
    """``apcli bounds``."""

    theory: Names
    seed: int


class BehaviourKeywords(ComparisonKeywords, total=False):
    """``apcli behaviour``."""

    validation: float
    shift: Names | None
    feature_images: int
    predictions: File | None
    overwrite: bool


class ExportKeywords(InputKeywords, total=False):
    """``apcli export``."""

    format: Names | None
    batch_size: int | None
    model: str | None
    weights_key: str | None


class CostsKeywords(TypedDict, total=False):
    """``apcli report CHECKPOINT``."""

    macs: bool | None
    model: str | None
    num_classes: int | None
    input_size: WholeNumbers | None
    latency: bool
    latency_table: File | None
    dense: File | None
    weights_key: str | None
    batch_size: int
    warmup: int
    runs: int
    device: str


def with_keywords(keywords: type, config: type) -> Callable[[Function], Function]:
    """Show each keyword of a config in a function's signature, with type and default, and refuse all others."""

    types, defaults = inspect.get_annotations(keywords), defaults_of(config)

    def decorate(function: Function) -> Function:
        *own, _ = inspect.signature(function).parameters.values()
        kind = inspect.Parameter.KEYWORD_ONLY
        shown = [
            inspect.Parameter(name, kind, default=value, annotation=types[name]) for name, value in defaults.items()
        ]
        signature = inspect.signature(function).replace(parameters=[*own, *shown])

        @functools.wraps(function)
        def checked(*args: Any, **given: Any) -> Any:
            signature.bind(*args, **given)  # raises TypeError for an unknown keyword, as Python does
            return function(*args, **given)

        checked.__signature__ = signature  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate

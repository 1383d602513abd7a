"""What each stage can be told: every option's default and range stands here, once (standard library only)."""

import math
from dataclasses import dataclass
from typing import Any

from apcli.errors import UsageError

DEFAULT_DATA = "digits"


def _require(fine: bool, option: str, given: Any, expected: str) -> None:
    if not fine:
        raise UsageError(f"{option} is {given}: expected {expected}")


@dataclass(frozen=True)
class DataConfig:
    """Where the images come from. ``name`` None: what the checkpoint was trained on, else digits.

    ``cache``: whether decoded image files are kept in memory.
    """

    name: str | None = None
    data_dir: str = "data"
    download: bool = False
    workers: int = 2
    cache: str = "auto"

    def __post_init__(self) -> None:
        _require(self.workers >= 1, "--workers", self.workers, "at least 1")
        _require(self.cache in ("auto", "memory", "none"), "--cache", repr(self.cache), "auto, memory or none")


@dataclass(frozen=True)
class LoopConfig:
    """How a network is optimised; the defaults are those of arXiv:2403.00155.

    None means: ``lr`` by model (0.1 or 0.01), ``momentum`` 0.9 where the optimiser has one, ``augment`` by data set,
    ``amp`` on CUDA; of the others, that it is not done. ``checkpoint_every`` is in epochs.
    """

    epochs: int = 100
    batch_size: int = 128
    opt: str = "sgd"
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float = 0.0
    decay: str = "all"
    clip_grad: float | None = None
    sched: str = "cosine"
    warmup_epochs: float = 0.0
    augment: str | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    teacher: str | None = None
    distill: float = 0.5
    temperature: float = 4.0
    ema: float | None = None
    validation: float = 0.0
    patience: int | None = None
    eval_every: int = 1
    amp: bool | None = None
    compile: bool = False
    device: str = "auto"
    deterministic: bool = True
    checkpoint_every: float = 0.0
    resume: bool = True
    log_dir: str | None = None

    def __post_init__(self) -> None:
        _require(self.epochs >= 0, "--epochs", self.epochs, "0 or more")
        _require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
        _require(self.lr is None or (math.isfinite(self.lr) and self.lr > 0), "--lr", self.lr, "a positive number")
        _require(self.momentum is None or 0 <= self.momentum < 1, "--momentum", self.momentum, "a number in [0, 1)")
        _require(
            math.isfinite(self.weight_decay) and self.weight_decay >= 0,
            "--weight-decay",
            self.weight_decay,
            "0 or more",
        )
        _require(self.decay in ("all", "weights"), "--decay", repr(self.decay), "all or weights")
        _require(self.eval_every >= 1, "--eval-every", self.eval_every, "at least 1")
        _require(self.patience is None or self.patience >= 1, "--patience", self.patience, "at least 1")
        _require(self.ema is None or 0 <= self.ema < 1, "--ema", self.ema, "a decay in [0, 1), such as 0.999")
        _require(0 <= self.validation < 1, "--validation", self.validation, "a share of the training images, in [0, 1)")
        _require(0 <= self.label_smoothing < 1, "--label-smoothing", self.label_smoothing, "a share in [0, 1)")
        _require(0 <= self.distill <= 1, "--distill", self.distill, "a share in [0, 1]")
        for option in ("clip_grad", "temperature"):
            value = getattr(self, option)
            fine = value is None or (math.isfinite(value) and value > 0)
            _require(fine, f"--{option.replace('_', '-')}", value, "a positive number")
        for option in ("warmup_epochs", "mixup", "cutmix", "checkpoint_every"):
            value = getattr(self, option)
            _require(math.isfinite(value) and value >= 0, f"--{option.replace('_', '-')}", value, "0 (none) or more")
        for option in ("distill", "temperature") if self.teacher is None else ():
            value = getattr(self, option)
            _require(value == getattr(type(self), option), f"--{option}", value, "to go with --teacher")


@dataclass(frozen=True)
class ModelConfig:
    """Which network: a name from the tables, or a user's ``path/to/file.py:function``."""

    name: str
    pretrained: bool = False
    num_classes: int | None = None
    input_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _require(self.num_classes is None or self.num_classes >= 1, "--num-classes", self.num_classes, "at least 1")
        _require(self.input_size is None or self.input_size >= 1, "--input-size", self.input_size, "at least 1")
        numbers = "finite numbers, one for each channel"
        _require(all(map(math.isfinite, self.mean or ())), "--mean", self.mean, numbers)
        _require(all(math.isfinite(s) and s > 0 for s in self.std or ()), "--std", self.std, f"positive, {numbers}")


@dataclass(frozen=True)
class TrainConfig:
    """``apcli train``."""

    model: ModelConfig
    data: DataConfig = DataConfig()
    loop: LoopConfig = LoopConfig()
    weights: str | None = None
    rename: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        _check_seeds(self.seeds)
        _require(
            bool(self.weights) or not self.rename, "--rename", ",".join(self.rename), "to be used with --weights FILE"
        )
        _require(
            not (self.weights and self.model.pretrained),
            "--pretrained",
            "given together with --weights",
            "one of the two",
        )


@dataclass(frozen=True)
class PruneConfig:
    """``apcli prune``. ``method``, ``sparsity`` and ``compression`` are lists; one of the last two is given.

    ``method`` None: ``lowest``, of filters ``l1``. ``seeds`` None: each checkpoint's own seed, else 0. ``images`` 0:
    all of the split. ``min_keep`` below 1 is a share of each layer.
    """

    sparsity: tuple[float, ...] = ()
    method: str | None = None
    scope: str = "layer"
    layers: str = "all"
    exclude: str | None = None
    seeds: tuple[int, ...] | None = None
    compression: tuple[float, ...] = ()
    layer_sparsity: tuple[tuple[str, float], ...] = ()
    min_keep: float = 0
    structure: str = "weight"
    compact: bool = False
    like: str | None = None
    mask_from: str | None = None
    rewind_to: str | None = None
    storage: str = "dense"
    data: DataConfig = DataConfig()
    model: str | None = None
    split: str = "train"
    images: int = 1024
    batch_size: int = 128
    device: str = "auto"

    def __post_init__(self) -> None:
        share = "the removed share of the weights, in [0, 1)"
        for sparsity in self.sparsity:
            _require(0 <= sparsity < 1, "--sparsity", f"{sparsity:g}", share)
        for pattern, sparsity in self.layer_sparsity:
            _require(0 <= sparsity < 1, f"--layer-sparsity {pattern}", f"{sparsity:g}", share)
        for ratio in self.compression:
            _require(1 <= ratio < math.inf, "--compression", f"{ratio:g}", "total over nonzero, 1 or more")
        _require(0 <= self.min_keep < math.inf, "--min-keep", f"{self.min_keep:g}", "weights, or a share below 1")
        _require(self.split in ("train", "test"), "--split", repr(self.split), "train or test")
        _require(self.images >= 0, "--images", self.images, "0 (all) or more")
        _require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
        _require(self.storage in ("dense", "bitmask"), "--storage", repr(self.storage), "dense or bitmask")
        _require(self.is_filter or not self.compact, "--compact", "given", "to go with --structure filter")
        fine = self.structure == "weight" or self.is_filter or self.pattern is not None
        _require(fine, "--structure", repr(self.structure), "weight, filter, or n:m with 0 < n < m, such as 2:4")
        self._check_amount()
        _check_seeds(self.seeds or ())

    def _check_amount(self) -> None:
        given = {
            "--sparsity": self.sparsity,
            "--compression": self.compression,
            "--layer-sparsity": self.layer_sparsity,
            "--mask-from": self.mask_from,
            "--like": self.like,
            "--structure": self.pattern and self.structure,
        }
        named = [option for option, value in given.items() if value]
        allowed = [["--sparsity", "--layer-sparsity"]]
        if len(named) != 1 and named not in allowed:
            what = " and ".join(named) or "not given"
            raise UsageError(
                f"how much to remove is {what}: expected one of --sparsity (with or without --layer-sparsity), "
                "--compression, --structure n:m, --like or --mask-from"
            )
        if self.mask_from and (self.method or self.scope != "layer" or self.structure != "weight" or self.min_keep):
            raise UsageError("--mask-from takes the other file's zeros: leave --method, --scope and the like out")
        if self.layer_sparsity and self.scope != "layer":
            raise UsageError(f"--layer-sparsity says what each layer loses: leave --scope {self.scope} out")
        if self.pattern and self.scope != "layer":
            raise UsageError(
                f"--structure {self.structure} fixes what each layer loses: leave --scope {self.scope} out"
            )
        if self.is_filter and (self.layer_sparsity or self.compression or self.rewind_to):
            raise UsageError("--structure filter goes with --sparsity, not with single layers' or rewinding")

    @property
    def packed(self) -> bool:
        return self.storage == "bitmask"

    @property
    def is_filter(self) -> bool:
        return self.structure in ("filter", "channel")

    @property
    def pattern(self) -> tuple[int, int] | None:
        """(n, m) where n of every m consecutive inputs stay."""
        n, colon, m = self.structure.partition(":")
        if not (colon and n.isdecimal() and m.isdecimal() and 0 < int(n) < int(m) <= 1024):
            return None
        return int(n), int(m)


@dataclass(frozen=True)
class FinetuneConfig:
    """``apcli finetune``. ``seed`` None: the checkpoint's own, else 0.

    ``sparsity`` None: no zeros are added, and the options from ``schedule`` to ``exclude`` have no meaning.
    ``schedule`` None: ``cubic``.
    """

    data: DataConfig = DataConfig()
    loop: LoopConfig = LoopConfig(epochs=20)
    model: str | None = None
    dense: str | None = None
    update: str = "all"
    trace: str = "auto"
    seed: int | None = None
    recalibrate_bn: bool = False
    sparsity: float | None = None
    schedule: str | None = None
    method: str = "lowest"
    scope: str = "layer"
    layers: str = "all"
    exclude: str | None = None

    def __post_init__(self) -> None:
        for option in ("schedule", "method", "scope", "layers", "exclude") if self.sparsity is None else ():
            value = getattr(self, option)
            _require(value == getattr(type(self), option), f"--{option}", value, "to go with --sparsity")
        if self.sparsity is not None:
            _require(0 <= self.sparsity < 1, "--sparsity", f"{self.sparsity:g}", "the removed share, in [0, 1)")
            _require(self.scope in ("layer", "global"), "--scope", repr(self.scope), "layer or global with --schedule")
            _require(self.update == "all", "--update", self.update, "all where --sparsity adds zeros")
            _require(self.loop.epochs > 0, "--epochs", 0, "1 or more where --sparsity adds zeros")
            _require(self.loop.patience is None, "--patience", self.loop.patience, "none where --sparsity adds zeros")
        _require(self.update in ("all", "pruned"), "--update", repr(self.update), "all or pruned")
        _check_seeds(() if self.seed is None else (self.seed,))


@dataclass(frozen=True)
class DivergenceConfig:
    """``apcli divergence``. ``layers`` None: the layers that the lineage says were pruned, else all.

    ``groups`` is for the distributions that have it and do not say otherwise. ``images`` 0: all of the split.
    """

    dist: str = "ap2,gaussian,student-t"
    measure: str = "kl"
    estimator: str = "exact"
    samples: int = 600_000
    repeats: int = 1
    seed: int = 0
    groups: int = 0
    level: str = "both"
    layers: str | None = None
    exclude: str | None = None
    data: DataConfig = DataConfig()
    model: str | None = None
    split: str = "test"
    images: int = 0
    batch_size: int = 512
    device: str = "auto"

    def __post_init__(self) -> None:
        _require(self.samples >= 8, "--samples", self.samples, "at least 8, or there is no standard error")
        _require(self.repeats >= 1, "--repeats", self.repeats, "at least 1")
        _require(self.groups >= 0, "--groups", self.groups, "0 (none) or more")
        _require(self.level in ("both", "layer", "network"), "--level", repr(self.level), "both, layer or network")
        _require(self.split in ("train", "test"), "--split", repr(self.split), "train or test")
        _require(self.images >= 0, "--images", self.images, "0 (all) or more")
        _require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
        _check_seeds((self.seed,))


@dataclass(frozen=True)
class CostsConfig:
    """``apcli report FILE.safetensors``. ``macs`` None: where the network is known.

    ``input_size`` is (side,) or (channels, height, width); None: the lineage's, else the library's own. ``dense``,
    ``batch_size``, ``runs`` and ``device`` are those of ``latency``.
    """

    macs: bool | None = None
    model: str | None = None
    input_size: tuple[int, ...] | None = None
    latency: bool = False
    dense: str | None = None
    batch_size: int = 1
    warmup: int = 10
    runs: int = 50
    device: str = "auto"

    def __post_init__(self) -> None:
        size = self.input_size
        given = ",".join(map(str, size or ()))
        fine = size is None or (len(size) in (1, 3) and min(size) >= 1)
        _require(fine, "--input-size", given, "the side in pixels, or channels,height,width")
        _require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
        _require(self.warmup >= 0, "--warmup", self.warmup, "0 or more")
        _require(self.runs >= 2, "--runs", self.runs, "at least 2, or there are no quartiles")
        for option in () if self.latency else ("dense", "batch_size", "warmup", "runs", "device"):
            value = getattr(self, option)
            _require(
                value == getattr(type(self), option), f"--{option.replace('_', '-')}", value, "to go with --latency"
            )
        for option in ("model", "input_size") if self.macs is False and not self.latency else ():
            value = getattr(self, option)
            _require(value is None, f"--{option.replace('_', '-')}", value, "to go with --macs or --latency")

    @property
    def wants_network(self) -> bool:
        """Whether the network is built where it is known."""
        return self.latency or self.macs is not False

    @property
    def needs_network(self) -> bool:
        """Whether a network that cannot be had is an error."""
        return bool(self.latency or self.macs or self.model)


def _check_seeds(seeds: tuple[int, ...]) -> None:
    for seed in seeds:
        _require(0 <= seed < 2**32, "--seed", seed, "a whole number in [0, 2^32)")
    _require(len(set(seeds)) == len(seeds), "--seeds", ",".join(map(str, seeds)), "each seed once")

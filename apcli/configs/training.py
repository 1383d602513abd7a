"""Options of `train` and `finetune`."""

import math
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from apcli.configs.shared import DataConfig, InputConfig, check_seeds, require, require_share
from apcli.registry.tables import split_list


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the training loop, with the defaults of arXiv:2403.00155.

    None means: ``images`` those that the given checkpoint was trained on, otherwise all, ``lr`` by model (0.1 or
    0.01), ``momentum`` 0.9 if the optimiser has it, ``augment`` by data set, ``keep`` the best with ``patience``,
    otherwise the last, ``drop_path`` as the network's library sets it, ``amp`` on CUDA, ``cuda_graph`` if a step can be
    captured; every other option with None is off. ``min_lr`` is the parameter of that name of ``sched``.
    ``checkpoint_every`` and ``log_interval`` are in epochs; without a ``log_interval`` each epoch is said where no line
    of progress is shown.
    """

    epochs: int = 100
    batch_size: int = 128
    opt: str = "sgd"
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float = 0.0
    decay: str = "all"
    clip_grad: float | None = None
    layer_decay: float | None = None
    l1: float = 0.0
    l1_form: str = "proximal"
    accumulate: int = 1
    sched: str = "cosine"
    min_lr: float | None = None
    warmup_epochs: float = 0.0
    augment: str | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    drop_path: float | None = None
    teacher: str | None = None
    distill: float = 0.5
    temperature: float = 4.0
    ema: float | None = None
    images: int | None = None
    split: str = "train,test"
    validation: float = 0.0
    patience: int | None = None
    keep: str | None = None
    eval_every: int = 1
    amp: bool | None = None
    compile: bool = False
    cuda_graph: bool | None = None
    device: str = "auto"
    deterministic: bool = True
    checkpoint_every: float = 0.0
    resume: bool = True
    log_dir: str | None = None
    log_interval: int | None = None

    def __post_init__(self) -> None:
        require(self.epochs >= 0, "--epochs", self.epochs, "0 or more")
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
        require(self.lr is None or (math.isfinite(self.lr) and self.lr > 0), "--lr", self.lr, "a positive number")
        require(self.momentum is None or 0 <= self.momentum < 1, "--momentum", self.momentum, "a number in [0, 1)")
        require(
            math.isfinite(self.weight_decay) and self.weight_decay >= 0,
            "--weight-decay",
            self.weight_decay,
            "0 or more",
        )
        require(self.decay in ("all", "weights"), "--decay", repr(self.decay), "all or weights")
        self._check_l1()
        require(
            self.log_interval is None or self.log_interval >= 0, "--log-interval", self.log_interval, "0 (none) or more"
        )
        require(self.accumulate >= 1, "--accumulate", self.accumulate, "1 (the whole batch at once) or more")
        self._check_optional_numbers()
        require(self.eval_every >= 1, "--eval-every", self.eval_every, "at least 1")
        require(self.patience is None or self.patience >= 1, "--patience", self.patience, "at least 1")
        require(self.ema is None or 0 <= self.ema < 1, "--ema", self.ema, "a decay in [0, 1), such as 0.999")
        require_share("--validation", self.validation, "a share of the training images")
        self._check_measurement()
        require_share("--label-smoothing", self.label_smoothing, "the share of a label that is spread over all classes")
        require_share("--distill", self.distill, "the share of the teacher's loss", whole=True)
        for option in ("clip_grad", "temperature"):
            value = getattr(self, option)
            fine = value is None or (math.isfinite(value) and value > 0)
            require(fine, f"--{option.replace('_', '-')}", value, "a positive number")
        for option in ("warmup_epochs", "mixup", "cutmix", "checkpoint_every"):
            value = getattr(self, option)
            require(math.isfinite(value) and value >= 0, f"--{option.replace('_', '-')}", value, "0 (none) or more")
        for option in ("distill", "temperature") if self.teacher is None else ():
            value = getattr(self, option)
            require(value == getattr(type(self), option), f"--{option}", value, "to go with --teacher")

    def _check_optional_numbers(self) -> None:
        factor, share, rate = self.layer_decay, self.drop_path, self.min_lr
        require(factor is None or 0 < factor <= 1, "--layer-decay", factor, "a factor in (0, 1], such as 0.75")
        require_share("--drop-path", share or 0.0, "a probability")
        require(rate is None or (math.isfinite(rate) and rate >= 0), "--min-lr", rate, "0 or more")

    def _check_l1(self) -> None:
        require(math.isfinite(self.l1) and self.l1 >= 0, "--l1", self.l1, "0 (none) or more, such as 5e-5")
        forms = ("proximal", "subgradient")
        require(self.l1_form in forms, "--l1-form", repr(self.l1_form), " or ".join(forms))
        alone = not self.l1 and self.l1_form != type(self).l1_form
        require(not alone, "--l1-form", self.l1_form, "to go with --l1")

    def _check_measurement(self) -> None:
        """Check what is measured, and that it is there to decide by."""
        require(self.images is None or self.images >= 0, "--images", self.images, "0 (all) or more")
        splits = self.split.split(",")
        known = set(splits) <= {"train", "test"} and len(set(splits)) == len(splits)
        require(known, "--split", repr(self.split), "test, train, or train,test")
        require(self.keep in (None, "best", "last"), "--keep", repr(self.keep), "best or last")
        decided = self.keep != "best" or self.validation > 0 or self.patience is not None
        require(decided, "--keep", "best", "to go with --validation SHARE, or with --patience")
        watched = self.patience is None or self.validation > 0 or "train" in splits
        require(watched, "--split", self.split, "train too, or --validation SHARE, for --patience")


@dataclass(frozen=True)
class ModelConfig(InputConfig):
    """A network, by a name from the tables or ``path/to/file.py:function``, and its input and output."""

    name: str
    pretrained: bool = False


@dataclass(frozen=True)
class TrainConfig:
    """``apcli train``. The names of ``model`` and ``data`` are lists, see ``each``."""

    model: ModelConfig
    data: DataConfig = DataConfig()
    loop: LoopConfig = LoopConfig()
    weights: str | None = None
    weights_key: str | None = None
    rename: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        given = self.weights or self.loop.teacher
        require(
            bool(given) or self.weights_key is None,
            "--weights-key",
            repr(self.weights_key),
            "to be used with --weights FILE",
        )
        require(
            bool(self.weights) or not self.rename, "--rename", ",".join(self.rename), "to be used with --weights FILE"
        )
        require(
            not (self.weights and self.model.pretrained),
            "--pretrained",
            "given together with --weights",
            "one of the two",
        )
        models = self._names(self.model.name, "model")
        require(len(models) == 1 or not self.weights, "--weights", self.weights, "to be used with one model")

    @property
    def each(self) -> "list[TrainConfig]":
        """One config for each model on each data set."""
        models = [replace(self.model, name=name) for name in self._names(self.model.name, "model")]
        given = [None] if self.data.name is None else self._names(self.data.name, "data set")
        sets = [replace(self.data, name=name) for name in given]
        return [replace(self, model=model, data=data) for model, data in product(models, sets)]

    def _names(self, given: str, what: str) -> list[str]:
        """The names of a comma list; a path with a comma is one name."""
        paths = (given.partition(":")[2], given.rpartition(":")[0])  # of folder:PATH, and PATH:function
        is_path = any("," in path and Path(path).exists() for path in paths)
        names = [given] if is_path else split_list(given, what)
        require(len(set(names)) == len(names), what, given, "each once")
        return names


@dataclass(frozen=True)
class FinetuneConfig:
    """``apcli finetune``. ``seeds`` None: the checkpoint's own, otherwise 0.

    ``sparsity`` None: no zeros are added, and the options from ``schedule`` to ``exclude`` have no effect.
    ``schedule`` None: ``cubic``.
    """

    data: DataConfig = DataConfig()
    loop: LoopConfig = LoopConfig(epochs=20)
    model: str | None = None
    dense: str | None = None
    weights_key: str | None = None
    update: str = "all"
    trace: str = "auto"
    seeds: tuple[int, ...] | None = None
    recalibrate_bn: bool = False
    sparsity: float | None = None
    schedule: str | None = None
    method: str = "lowest"
    scope: str = "layer"
    layers: str = "all"
    exclude: str | None = None
    inputs: InputConfig = InputConfig()

    def __post_init__(self) -> None:
        for option in ("schedule", "method", "scope", "layers", "exclude") if self.sparsity is None else ():
            value = getattr(self, option)
            require(value == getattr(type(self), option), f"--{option}", value, "to go with --sparsity")
        if self.sparsity is not None:
            require_share("--sparsity", self.sparsity, "the removed share of the weights")
            require(self.scope in ("layer", "global"), "--scope", repr(self.scope), "layer or global with --schedule")
            require(self.update == "all", "--update", self.update, "all if --sparsity adds zeros")
            require(self.loop.epochs > 0, "--epochs", 0, "1 or more if --sparsity adds zeros")
            require(self.loop.patience is None, "--patience", self.loop.patience, "none if --sparsity adds zeros")
            require(self.loop.keep != "best", "--keep", "best", "last if --sparsity adds zeros")
        require(self.update in ("all", "pruned"), "--update", repr(self.update), "all or pruned")
        check_seeds(self.seeds or ())

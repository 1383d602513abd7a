"""The complete settings of an optimisation, with every default filled in."""

import logging
from dataclasses import dataclass, fields
from typing import Any, Protocol

from apcli.checkpoints.promises import Json
from apcli.configs.training import LoopConfig
from apcli.data.augmentations import AUGMENTATIONS
from apcli.errors import UsageError
from apcli.models.spec import ModelSpec, default_lr
from apcli.registry.tables import Choice, Row
from apcli.training.optim import OPTIMISERS, SCHEDULES, OptimiserRow

log = logging.getLogger("apcli")


@dataclass(frozen=True)
class Recipe:
    """A ``LoopConfig`` with every default filled in: the lineage's record of an optimisation.

    ``momentum`` is None if the optimiser has none or the schedule moves it, ``l1_form`` without an l1 penalty.
    """

    epochs: int
    batch_size: int
    opt: Choice[OptimiserRow]
    lr: float
    momentum: float | None
    weight_decay: float
    decay: str
    clip_grad: float | None
    layer_decay: float | None
    l1: float
    l1_form: str | None
    accumulate: int
    sched: Choice[Row]
    warmup_epochs: float
    augment: tuple[Choice[Row], ...]
    mixup: float
    cutmix: float
    label_smoothing: float
    drop_path: float | None
    distill: float | None
    temperature: float | None
    ema: float | None
    patience: int | None
    keep: str
    validation: float
    split: str
    eval_every: int
    amp: bool
    compile: bool
    cuda_graph: bool

    @property
    def obstacle(self) -> str | None:
        """The option that prevents capture in a CUDA graph, which fixes all numbers outside the device; or None."""
        if not (self.opt.row.is_fused or self.opt.row.is_capturable):
            return f"--opt {self.opt.name}"
        if "steps" in self.sched.row.needs:  # it also moves momentum, which torch's optimisers read from Python
            return f"--sched {self.sched.name}"
        return None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits to evaluate; always the images held out, if there are any."""
        return (*self.split.split(","), "validation")

    def settings(self) -> Json:
        """All settings, in words. Those that an earlier version did not have are left out where they change nothing, so
        that a file of that version, made by the same command, is still known to be the wanted one.
        """
        kept = "best" if self.patience else "last"
        as_before = {"keep": kept, "split": "train,test", "accumulate": 1, "layer_decay": None, "drop_path": None}
        as_before |= {"l1": 0.0, "l1_form": None}
        words = {field.name: _in_words(getattr(self, field.name)) for field in fields(self)}
        return {name: word for name, word in words.items() if name not in as_before or word != as_before[name]}


class Augmented(Protocol):
    """A data set, or its row: what is known of both."""

    @property
    def augment(self) -> str:
        """The usual augmentations."""


class Typed(Protocol):
    """A device of torch, or what is known of it without torch."""

    @property
    def type(self) -> str:
        """``cpu`` or ``cuda``."""


@dataclass(frozen=True)
class Cpu:
    """The only device of a machine, as a recipe sees it."""

    type: str = "cpu"


def recipe_of(config: LoopConfig, spec: ModelSpec, dataset: Augmented, device: Typed) -> Recipe:
    """Fill in the defaults that depend on the model, the data and the device.

    Raises:
        UsageError: an unknown name, or options that do not go together.
    """
    opt, sched = OPTIMISERS.parse(config.opt), schedule_of(config)
    has_momentum = opt.row.has_momentum
    if config.momentum is not None and not has_momentum:
        raise UsageError(f"--momentum is {config.momentum:g} but {opt.name} has none: it goes with sgd and rmsprop")
    cycles = "steps" in sched.row.needs
    if config.momentum and cycles:
        raise UsageError(
            f"--momentum with --sched {sched.name}, which moves momentum from 0.95 to 0.85 and back: leave it out, or "
            "give 0 for no momentum"
        )
    if config.warmup_epochs and cycles:
        raise UsageError(f"--warmup-epochs with --sched {sched.name}, which warms up by itself: leave it out")
    usual = None if cycles else 0.9
    augment = dataset.augment if config.augment is None else config.augment
    decided: dict[str, Any] = {
        "opt": opt,
        "lr": default_lr(spec) if config.lr is None else config.lr,
        "momentum": (usual if config.momentum is None else config.momentum) if has_momentum else None,
        "sched": sched,
        "augment": () if augment == "none" else tuple(AUGMENTATIONS.parse_list(augment)),
        "amp": device.type == "cuda" if config.amp is None else config.amp,
        "l1_form": config.l1_form if config.l1 else None,
        "distill": config.distill if config.teacher else None,
        "temperature": config.temperature if config.teacher else None,
        "keep": config.keep or ("best" if config.patience else "last"),
        "split": "train,test" if "," in config.split else config.split,
        "cuda_graph": config.cuda_graph is not False,
    }
    as_given = {field.name: getattr(config, field.name) for field in fields(Recipe) if field.name not in decided}
    recipe = Recipe(**as_given, **decided)
    if "loss" in sched.row.needs and not (config.validation or "train" in config.split):
        raise UsageError(f"--sched plateau with --split {config.split}: expected train too, or --validation SHARE")
    if config.cuda_graph and device.type != "cuda":
        raise UsageError(f"--cuda-graph on {device.type}: expected a CUDA device; leave it out")
    if config.cuda_graph and recipe.obstacle:
        raise UsageError(f"--cuda-graph with {recipe.obstacle}, whose steps cannot be captured: leave one of them out")
    return recipe


def schedule_of(config: LoopConfig) -> Choice[Row]:
    """The schedule of ``--sched``, with the parameter that ``--min-lr`` spells.

    Raises:
        UsageError: an unknown schedule, one without that parameter, or the parameter given twice.
    """
    sched = SCHEDULES.parse(config.sched)
    if config.min_lr is None:
        return sched
    if "min_lr" not in sched.parameters:
        having = " and ".join(row.name for row in SCHEDULES if "min_lr" in row.parameters)
        raise UsageError(f"--min-lr with --sched {sched.name}, which has no such rate: it goes with {having}")
    if ":min_lr=" in config.sched:
        raise UsageError(f"--min-lr and --sched {config.sched} both give the rate: expected one of the two")
    return SCHEDULES.parse(f"{config.sched}:min_lr={config.min_lr}")


def warn_of_schedule(config: LoopConfig) -> None:
    """Warn of parts of the learning-rate schedule that lie beyond the end of the run.

    Raises:
        UsageError: an unknown schedule.
    """
    epochs, sched = config.epochs, schedule_of(config)
    if 0 < epochs < config.warmup_epochs:
        log.warning(
            "--warmup-epochs %g is longer than the run of %d: --lr is never reached",
            config.warmup_epochs,
            epochs,
        )
    milestones = [int(epoch) for epoch in str(sched.parameters.get("milestones", "")).split("+") if epoch]
    late = [str(epoch) for epoch in sorted(milestones) if epoch >= epochs]
    if late and epochs:
        log.warning("--sched %s: no epoch of %d comes after the milestone %s", sched.spec, epochs, " or ".join(late))


def _in_words(value: object) -> object:
    if isinstance(value, Choice):
        return value.spec
    return (",".join(choice.spec for choice in value) or "none") if isinstance(value, tuple) else value

"""The only training loop, and the only evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from apcli.configs import LoopConfig
from apcli.data import AUGMENTATIONS
from apcli.data.batches import batches
from apcli.data.datasets import Dataset, Split
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec, default_lr
from apcli.operations.masking import Masking
from apcli.optim import OPTIMISERS, SCHEDULES
from apcli.registry import Choice

Metrics = dict[str, float | None]  # loss: mean cross-entropy in nats; accuracy, top5: percent
_EVALUATION_SHARE = 4  # no gradients are kept, so evaluation takes this many training batches at a time


@dataclass(frozen=True)
class Recipe:
    """A ``LoopConfig`` with everything decided: what the lineage keeps of how a network was optimised."""

    epochs: int
    batch_size: int
    opt: Choice
    lr: float
    momentum: float | None
    weight_decay: float
    sched: Choice
    augment: tuple[Choice, ...]
    eval_every: int

    def settings(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "opt": self.opt.spec,
            "lr": self.lr,
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
            "sched": self.sched.spec,
            "augment": ",".join(choice.spec for choice in self.augment) or "none",
            "eval_every": self.eval_every,
        }


def recipe_of(config: LoopConfig, spec: ModelSpec, dataset: Dataset) -> Recipe:
    """Fill in the defaults that depend on the model and the data.

    Raises:
        UsageError: an unknown name, or a momentum for an optimiser that has none.
    """
    opt = OPTIMISERS.parse(config.opt)
    has_momentum = "momentum" in opt.row.needs
    if config.momentum is not None and not has_momentum:
        raise UsageError(f"--momentum is {config.momentum:g} but {opt.name} has none: it goes with sgd and rmsprop")
    augment = dataset.augment if config.augment is None else config.augment
    return Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        opt=opt,
        lr=default_lr(spec) if config.lr is None else config.lr,
        momentum=(0.9 if config.momentum is None else config.momentum) if has_momentum else None,
        weight_decay=config.weight_decay,
        sched=SCHEDULES.parse(config.sched),
        augment=() if augment == "none" else tuple(AUGMENTATIONS.parse_list(augment)),
        eval_every=config.eval_every,
    )


def fit(
    model: nn.Module,
    spec: ModelSpec,
    dataset: Dataset,
    recipe: Recipe,
    *,
    generator: Generator,
    masking: Masking | None = None,
    only: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Train ``model`` in place; yields one history entry per epoch, right after it.

    After every optimiser step the removed weights are zeroed again: a step can revive them whatever the gradients are,
    through momentum or decay that the optimiser's state holds.

    Args:
        generator: gives the order of samples and the augmentations.
        masking: which weights are zero; None: none.
        only: the parameters to update; the rest of the network, batch-norm statistics included, then stays as it is.

    Raises:
        ApcliError: the loss is no longer finite.
    """
    parameters = parameters_of(model)
    model.requires_grad_(only is None)
    for name in only or ():
        parameters[name].requires_grad_(True)
    masking = masking or Masking({}, {})
    optimiser, schedule = _optimiser([p for p in model.parameters() if p.requires_grad], recipe)
    for epoch in range(1, recipe.epochs + 1):
        lr = optimiser.param_groups[0]["lr"]
        _training_mode_(model, frozen=only is not None)
        tally = _Tally(spec.num_classes, dataset.train.images.device)
        for images, labels in _feed(dataset.train, spec, recipe.batch_size, recipe.augment, generator):
            masking.before_step()
            logits = _logits(model, images, spec)
            loss = F.cross_entropy(logits, labels)
            optimiser.zero_grad()
            loss.backward()
            masking.after_gradients()
            optimiser.step()
            masking.hold()
            tally.add(logits.detach(), labels)
        schedule.step()
        running = tally.metrics()
        if running["loss"] is None:
            raise ApcliError(f"the loss is no longer finite in epoch {epoch}: try a smaller --lr than {lr:g}")
        entry: dict[str, Any] = {"epoch": epoch, "lr": lr, "running": running}
        if epoch % recipe.eval_every == 0 or epoch == recipe.epochs:
            entry |= evaluate(model, spec, dataset, recipe.batch_size)
        yield entry


def parameters_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by every name they have: tied weights stand under each of theirs, as in a state dict."""
    return dict(model.named_parameters(remove_duplicate=False))


def evaluate(model: nn.Module, spec: ModelSpec, dataset: Dataset, batch_size: int) -> dict[str, Metrics]:
    """Loss and accuracy on the whole of both splits, in evaluation mode, without augmentation."""
    size = _EVALUATION_SHARE * batch_size
    return {split: _evaluate(model, spec, getattr(dataset, split), size) for split in ("train", "test")}


@torch.inference_mode()
def _evaluate(model: nn.Module, spec: ModelSpec, split: Split, batch_size: int) -> Metrics:
    model.eval()
    tally = _Tally(spec.num_classes, split.images.device)
    for images, labels in _feed(split, spec, batch_size, (), None):
        tally.add(_logits(model, images, spec), labels)
    return tally.metrics()


def recalibrate_(model: nn.Module, spec: ModelSpec, dataset: Dataset, batch_size: int, generator: Generator) -> None:
    """Measure batch norm's running statistics anew, over the whole training split without augmentation.

    Each layer gets the mean and the unbiased variance of all that reaches it, batches pooled by their counts: neither
    the order nor a smaller last batch shifts them. What reaches it went through the norms before it, which take each
    batch's own statistics, as in training: so images come in the generator's order, not sorted by class as files are.
    All else is in evaluation mode and stays as it is. Source: adaptive batch norm, Li et al. 2020, arXiv:2007.02491.

    Raises:
        UsageError: no layer has running statistics, or a batch is too small for batch norm.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.running_mean is not None]
    if not norms:
        raise UsageError(f"--recalibrate-bn: {spec.name} has no batch norm with running statistics: leave it out")
    moments = [_Moments() for _ in norms]
    hooks = [norm.register_forward_pre_hook(found) for norm, found in zip(norms, moments, strict=True)]
    model.eval()
    for norm in norms:
        norm.training = True  # train() would reach a dropout that stands inside
    try:
        with torch.no_grad():
            for images, _ in _feed(dataset.train, spec, batch_size, (), generator):
                _logits(model, images, spec)
    except ValueError as error:  # a batch norm that sees one value a channel
        raise UsageError(f"--recalibrate-bn with --batch-size {batch_size}: {error}: choose another size") from None
    finally:
        for hook in hooks:
            hook.remove()
        model.eval()
    for norm, found in zip(norms, moments, strict=True):
        found.give_(norm)


def in_percent(metrics: Mapping[str, Any]) -> str:
    """The test accuracy, for a sentence."""
    accuracy = (metrics.get("test") or {}).get("accuracy")
    return "unknown" if accuracy is None else f"{accuracy:.2f} %"


class _Moments:
    """The mean and the variance of what reaches a batch norm, by channel, over all batches; kept on the device."""

    def __init__(self) -> None:
        self.batches = self.count = 0
        self.sums = self.squares = torch.zeros(())

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        features = inputs[0].float()
        others = [dim for dim in range(features.dim()) if dim != 1]
        variance, mean = (moment.double() for moment in torch.var_mean(features, others, correction=0))
        count = features.numel() // features.shape[1]
        self.batches += 1
        self.count += count
        self.sums = count * mean + self.sums  # a zero of the CPU goes with any device
        self.squares = count * (variance + mean.square()) + self.squares

    @torch.no_grad()
    def give_(self, norm: _BatchNorm) -> None:
        """Make them the running statistics; a layer that nothing reached keeps its own."""
        if not self.batches:
            return
        mean = self.sums / self.count
        deviations = (self.squares - self.count * mean.square()).clamp(min=0)
        norm.get_buffer("running_mean").copy_(mean)
        norm.get_buffer("running_var").copy_(deviations / (self.count - 1))
        norm.get_buffer("num_batches_tracked").fill_(self.batches)


class _Tally:
    """Sums and counts over batches, kept on the device and divided once."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)  # loss, correct, correct among five
        self.count = 0
        self.classes = classes

    @torch.no_grad()
    def add(self, logits: Tensor, labels: Tensor) -> None:
        logits = logits.float()
        top = logits.topk(min(5, self.classes)).indices == labels[:, None]
        loss = F.cross_entropy(logits, labels, reduction="sum")
        self.sums += torch.stack([loss.double(), top[:, 0].sum().double(), top.sum().double()])
        self.count += len(labels)

    def metrics(self) -> Metrics:
        """Means over the samples; a loss that is not finite, and a top-5 of less than five classes, are None."""
        loss, correct, among_five = (self.sums / self.count).tolist()
        return {
            "loss": loss if abs(loss) < float("inf") else None,
            "accuracy": 100 * correct,
            "top5": 100 * among_five if self.classes >= 5 else None,
        }


def _feed(
    split: Split, spec: ModelSpec, batch_size: int, augment: Sequence[Choice], generator: Generator | None
) -> Iterator[tuple[Tensor, Tensor]]:
    return batches(
        split,
        batch_size,
        augment=augment,
        generator=generator,
        shape=spec.input_size,
        mean=spec.mean,
        std=spec.std,
    )


def _logits(model: nn.Module, images: Tensor, spec: ModelSpec) -> Tensor:
    output = model(images)
    logits: Tensor = output[0] if isinstance(output, tuple) else output  # auxiliary heads come after the main one
    if logits.shape != (len(images), spec.num_classes):
        expected = (len(images), spec.num_classes)
        raise ApcliError(f"{spec.name} gives an output of shape {tuple(logits.shape)}: expected logits, {expected}")
    return logits


def _optimiser(parameters: list[nn.Parameter], recipe: Recipe) -> tuple[Optimizer, LRScheduler]:
    momentum = {} if recipe.momentum is None else {"momentum": recipe.momentum}
    try:
        optimiser = recipe.opt(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, **momentum)
        return optimiser, recipe.sched(optimiser, recipe.epochs)
    except ValueError as error:
        raise UsageError(f"--opt {recipe.opt.spec} with --lr {recipe.lr:g}: {error}") from None


def _training_mode_(model: nn.Module, *, frozen: bool) -> None:
    """Training mode; in a frozen network the normalisation layers keep their statistics."""
    model.train()
    if frozen:
        for module in model.modules():
            if isinstance(module, _NormBase):
                module.eval()

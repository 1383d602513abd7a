"""The whole loop against a plain one in float64: optimisers, schedules, clipping, masks, batch norm, averages,
l1 penalties."""

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from marked import slow_but
from torch import Tensor, nn

from apcli.data.datasets import Dataset, Split
from apcli.models.spec import ModelSpec
from apcli.training.draws import order_of
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking
from apcli.training.optim import OPTIMISERS, SCHEDULES
from apcli.training.optim.parameters import parameters_of
from apcli.training.recipe import Recipe

SPEC = ModelSpec("net.py:net", "user", 4, (1, 4, 4), (0.5,), (0.25,))
EPOCHS, BATCH, IMAGES, SEED = 4, 16, 56, 5
STEPS = math.ceil(IMAGES / BATCH)
DECAY, CLIP, AVERAGE, MOMENTUM = 0.01, 0.3, 0.8, 0.8
State = dict[str, Any]


# ---- one step of each optimiser: the weights, their gradient, what it remembers, the rate, the number of the step


def sgd(w: Tensor, g: Tensor, s: State, rate: float, t: int, *, momentum: float, nesterov: bool = False) -> Tensor:
    """Sutskever et al. 2013, in torch's form: the rate is outside of the velocity."""
    g = g + DECAY * w
    s["v"] = momentum * s["v"] + g if "v" in s else g
    return w - rate * (g + momentum * s["v"] if nesterov else s["v"])


def moments(g: Tensor, s: State, t: int, beta: float = 0.9) -> tuple[Tensor, Tensor]:
    """Kingma & Ba 2015, algorithm 1, both corrected for their start at zero."""
    s["m"] = beta * s.get("m", 0 * g) + (1 - beta) * g
    s["v"] = 0.999 * s.get("v", 0 * g) + 0.001 * g * g
    return s["m"] / (1 - beta**t), s["v"] / (1 - 0.999**t)


def adam(w: Tensor, g: Tensor, s: State, rate: float, t: int) -> Tensor:
    m, v = moments(g + DECAY * w, s, t)
    return w - rate * m / (v.sqrt() + 1e-8)


def adamw(w: Tensor, g: Tensor, s: State, rate: float, t: int) -> Tensor:
    m, v = moments(g, s, t)
    return w - rate * DECAY * w - rate * m / (v.sqrt() + 1e-8)


def nadam(w: Tensor, g: Tensor, s: State, rate: float, t: int) -> Tensor:
    """Dozat 2016, algorithm 2, with the momentum's schedule that its section 3 proposes."""
    g = g + DECAY * w
    _, v = moments(g, s, t)
    now, following = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * step)) for step in (t, t + 1))
    s["product"] = s.get("product", 1.0) * now
    ahead = following * s["m"] / (1 - s["product"] * following) + (1 - now) * g / (1 - s["product"])
    return w - rate * ahead / (v.sqrt() + 1e-8)


def radam(w: Tensor, g: Tensor, s: State, rate: float, t: int) -> Tensor:
    """Liu et al. 2020, algorithm 2; torch adds eps before it corrects the second moment."""
    m, _ = moments(g + DECAY * w, s, t)
    most = 2 / 0.001 - 1
    length = most - 2 * t * 0.999**t / (1 - 0.999**t)
    if length <= 5:
        return w - rate * m
    rectified = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
    return w - rate * rectified * m * math.sqrt(1 - 0.999**t) / (s["v"].sqrt() + 1e-8)


def adamax(w: Tensor, g: Tensor, s: State, rate: float, t: int, *, beta: float = 0.9) -> Tensor:
    """Kingma & Ba 2015, algorithm 2."""
    m, _ = moments(g + DECAY * w, s, t, beta)
    s["u"] = torch.maximum(0.999 * s.get("u", 0 * g), (g + DECAY * w).abs() + 1e-8)
    return w - rate * m / s["u"]


def adagrad(w: Tensor, g: Tensor, s: State, rate: float, t: int) -> Tensor:
    g = g + DECAY * w
    s["v"] = s.get("v", 0 * g) + g * g
    return w - rate * g / (s["v"].sqrt() + 1e-10)


def adadelta(w: Tensor, g: Tensor, s: State, rate: float, t: int) -> Tensor:
    """Zeiler 2012, algorithm 1, times a rate."""
    g = g + DECAY * w
    s["g"] = 0.9 * s.get("g", 0 * g) + 0.1 * g * g
    step = (s.get("x", 0 * g) + 1e-6).sqrt() / (s["g"] + 1e-6).sqrt() * g
    s["x"] = 0.9 * s.get("x", 0 * g) + 0.1 * step * step
    return w - rate * step


def rmsprop(w: Tensor, g: Tensor, s: State, rate: float, t: int, *, momentum: float) -> Tensor:
    g = g + DECAY * w
    s["v"] = 0.99 * s.get("v", 0 * g) + 0.01 * g * g
    s["b"] = momentum * s.get("b", 0 * g) + g / (s["v"].sqrt() + 1e-8)
    return w - rate * s["b"]


OPTIMISED: dict[str, Callable[..., Tensor]] = {
    "sgd": sgd, "adam": adam, "adamw": adamw, "nadam": nadam, "radam": radam, "adamax": adamax, "adagrad": adagrad,
    "adadelta": adadelta, "rmsprop": rmsprop,
}  # fmt: skip


# ---- each schedule: the factor of the rate, from the epoch, the step, and the losses after the epochs before


def arc(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def one_cycle(start: float, top: float, end: float, step: int) -> float:
    peak, last = 0.4 * EPOCHS * STEPS - 1, EPOCHS * STEPS - 1
    return arc(start, top, step / peak) if step <= peak else arc(top, end, (step - peak) / (last - peak))


def plateau(losses: list[float]) -> float:
    """Times 0.5 after each epoch whose loss is no smaller than the least by a share of 1e-4."""
    least, factor = math.inf, 1.0
    for loss in losses:
        factor *= 1.0 if loss < least * (1 - 1e-4) else 0.5
        least = loss if loss < least * (1 - 1e-4) else least
    return factor


SCHEDULED: dict[str, Callable[[int, int, list[float]], float]] = {
    "cosine": lambda epoch, step, losses: arc(1, 0, epoch / EPOCHS),
    "step:milestones=1+3:gamma=0.5": lambda epoch, step, losses: 0.5 ** ((epoch >= 1) + (epoch >= 3)),
    "exponential:gamma=0.7": lambda epoch, step, losses: 0.7**epoch,
    "linear": lambda epoch, step, losses: 1 - epoch / EPOCHS,
    "polynomial:power=1.5": lambda epoch, step, losses: (1 - epoch / EPOCHS) ** 1.5,
    "one-cycle:up=0.4:start=5:end=10": lambda epoch, step, losses: one_cycle(0.2, 1, 0.02, step),
    "plateau:patience=0:factor=0.5": lambda epoch, step, losses: plateau(losses),
    "constant": lambda epoch, step, losses: 1.0,
}


# ---- the plain loop


def data() -> Dataset:
    draw = torch.Generator().manual_seed(3)
    splits = []
    for count in (IMAGES, 20):
        labels = torch.randint(0, 4, (count,), generator=draw)
        pixels = torch.randint(0, 90, (count, 1, 4, 4), generator=draw) + 40 * labels.view(-1, 1, 1, 1)
        splits.append(Split(pixels.to(torch.uint8), labels))
    return Dataset("tiny", *splits, classes=4, mean=(0.5,), std=(0.25,), augment="none")


def network() -> nn.Sequential:
    torch.manual_seed(2)
    layers = (nn.Conv2d(1, 5, 3, bias=False), nn.BatchNorm2d(5), nn.Tanh(), nn.Flatten(), nn.Linear(20, 4))
    return nn.Sequential(*layers)


def removed(share: float = 0.7) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(4)
    shapes = {name: network().get_parameter(name).shape for name in ("0.weight", "4.weight")}
    return {name: torch.rand(shape, generator=draw) < share for name, shape in shapes.items()}


def inputs(split: Split) -> Tensor:
    return (split.images.double() / 255 - 0.5) / 0.25


def loss_of(model: nn.Module, split: Split, rows: Tensor | slice = slice(None)) -> Tensor:
    logits = model(inputs(split)[rows]).log_softmax(1)
    return -logits.gather(1, split.labels[rows][:, None]).mean()


@torch.no_grad()
def measure_(model: nn.Sequential, split: Split) -> None:
    """The statistics of what reaches the norm over all images at once."""
    reached = model[0](inputs(split))
    model[1].running_mean.copy_(reached.mean((0, 2, 3)))
    model[1].running_var.copy_(reached.var((0, 2, 3)))
    model.eval()


class Plain:
    """What a training loop of a few lines gives: the network, its average, and the average's losses."""

    def __init__(
        self,
        opt: str,
        sched: str,
        rate: float,
        masks: dict[str, Tensor],
        clip: float = CLIP,
        l1: tuple[str, float] = ("none", 0.0),
        **options: Any,
    ) -> None:
        form, strength = l1
        dataset, self.losses = data(), []
        model, average = network().double(), network().double()
        states: dict[str, State] = {name: {} for name in parameters_of(model)}
        for network_ in (model, average):
            for name, mask in masks.items():
                network_.get_parameter(name).data[mask] = 0.0
        for epoch in range(EPOCHS):
            for batch, rows in enumerate(order_of(IMAGES, SEED, epoch).split(BATCH)):
                t = epoch * STEPS + batch + 1
                now = rate * SCHEDULED[sched](epoch, t - 1, self.losses)
                model.train()
                model.zero_grad()
                penalty = strength * sum(w.abs().sum() for w in model.parameters()) if form == "subgradient" else 0.0
                (loss_of(model, dataset.train, rows) + penalty).backward()
                gradients = {name: w.grad.clone() for name, w in parameters_of(model).items()}
                for name, mask in masks.items():
                    gradients[name][mask] = 0.0
                norm = math.sqrt(sum(float(g.square().sum()) for g in gradients.values()))
                shorter = min(1.0, clip / (norm + 1e-6))
                how = dict(options)
                if "one-cycle" in sched:
                    how["momentum" if "momentum" in how else "beta"] = one_cycle(0.95, 0.85, 0.95, t - 1)
                with torch.no_grad():
                    for (name, w), mine in zip(parameters_of(model).items(), average.parameters(), strict=True):
                        w.copy_(OPTIMISED[opt](w, shorter * gradients[name], states[name], now, t, **how))
                        if form == "proximal" and w.dim() > 1:
                            shift = now * strength / (1 - how.get("momentum", 0.0))
                            w.copy_(w.sign() * (w.abs() - shift).clamp(min=0.0))
                        if name in masks:
                            w[masks[name]] = 0.0
                        mine.copy_(AVERAGE * mine + (1 - AVERAGE) * w)
                        if form == "proximal" and w.dim() > 1:
                            mine[w == 0] = 0.0
            measure_(average, dataset.train)
            self.losses.append(float(loss_of(average, dataset.train).detach()))
        self.network, self.average = model, average


def same(found: nn.Module, expected: nn.Module, tolerance: float = 1e-5) -> None:
    theirs = expected.state_dict()
    for name, tensor in found.state_dict().items():
        if "tracked" not in name:
            torch.testing.assert_close(tensor.double(), theirs[name], rtol=tolerance, atol=tolerance / 10)


def trained(recipe: Callable[..., Recipe], masks: dict[str, Tensor], **options: Any) -> Training:
    model = network()
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name)[mask] = 0.0
    common = {"epochs": EPOCHS, "batch_size": BATCH, "weight_decay": DECAY, "clip_grad": CLIP, "ema": AVERAGE}
    run = Training(
        model,
        Setup(SPEC, data(), recipe(**common, **options), SEED),
        masking=Masking(parameters_of(model), masks),
    )
    list(run.run())
    return run


def test_every_optimiser_and_schedule_is_followed_here():
    assert list(OPTIMISED) == OPTIMISERS.names
    assert [spec.partition(":")[0] for spec in SCHEDULED] == SCHEDULES.names


def pairs() -> Iterable[tuple[str, str]]:
    """Each optimiser and each schedule, once or more."""
    return zip([*OPTIMISED, "sgd:nesterov=1"], itertools.cycle(SCHEDULED), strict=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opt", "sched"), slow_but([*pairs(), ("sgd", "one-cycle:up=0.4:start=5:end=10")], *list(pairs())[:2])
)
def test_the_loop_is_the_plain_one(recipe, opt, sched):
    rate = {"adadelta": 1.0, "sgd": 0.1}.get(opt, 0.02)
    kind, masks = opt.partition(":")[0], removed()
    has_momentum = OPTIMISERS.row(kind).has_momentum
    momentum = {"momentum": MOMENTUM} if has_momentum and not sched.startswith("one-cycle") else {}
    run = trained(recipe, masks, opt=opt, sched=sched, lr=rate, **momentum)
    options: dict[str, Any] = {"momentum": MOMENTUM} if has_momentum else {}
    plain = Plain(kind, sched, rate, masks, **options, **({"nesterov": True} if "nesterov" in opt else {}))
    same(run.network, plain.network)
    same(run.evaluated.network, plain.average)
    assert [entry["train"]["loss"] for entry in run.history] == pytest.approx(plain.losses, rel=1e-5)


def test_clipping_counts_no_removed_weight(recipe):
    """With nine in ten removed, their gradients would make up most of the norm, and most of each step would go."""
    masks = {
        name: torch.rand(mask.shape, generator=torch.Generator().manual_seed(1)) < 0.9
        for name, mask in removed().items()
    }
    run = trained(recipe, masks, lr=0.1, sched="constant", momentum=MOMENTUM)
    same(run.network, Plain("sgd", "constant", 0.1, masks, momentum=MOMENTUM).network)


L1 = [
    ("sgd", "cosine"),
    ("sgd:nesterov=1", "one-cycle:up=0.4:start=5:end=10"),
    ("adamw", "linear"),
    ("rmsprop", "constant"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("opt", "sched"), slow_but(L1, *L1[:2]))
@pytest.mark.parametrize("form", ["proximal", "subgradient"])
def test_an_l1_penalty_is_the_plain_one(recipe, form, opt, sched):
    """By the rate and the momentum of each step; zeros of a mask stay, and losses are without the penalty."""
    kind, masks = opt.partition(":")[0], removed(0.3)
    strength = 0.05 if kind == "sgd" else 0.3
    momentum = {"momentum": MOMENTUM} if kind in ("sgd", "rmsprop") else {}
    given = momentum if not sched.startswith("one-cycle") else {}
    run = trained(recipe, masks, opt=opt, sched=sched, lr=0.02, l1=strength, l1_form=form, **given)
    nesterov = {"nesterov": True} if "nesterov" in opt else {}
    plain = Plain(kind, sched, 0.02, masks, l1=(form, strength), **momentum, **nesterov)
    rounding = 1e-3 if kind == "rmsprop" else 1e-5  # it scales small gradients up, with the rounding of some processors
    same(run.network, plain.network, rounding)
    same(run.evaluated.network, plain.average, rounding)
    assert [entry["train"]["loss"] for entry in run.history] == pytest.approx(plain.losses, rel=1e-5)
    for name, mask in masks.items():
        weight, average = (of.get_parameter(name) for of in (run.network, run.evaluated.network))
        assert torch.equal(weight == 0, plain.network.get_parameter(name) == 0)
        assert torch.equal(average == 0, weight == 0)
        assert bool((weight[~mask] == 0).any()) == (form == "proximal")

"""What holds for every input of a box around an image, and but for a probability under noise in it (S1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from apcli.data.datasets import evenly
from apcli.networks import batches_of
from apcli.probes.twins.propagation import Box, Twins
from apcli.progress import Tell
from apcli.records.bound import PROVEN, Assumption, Bound, Constant
from apcli.stages.bounds.networks import NetworkPair
from apcli.theory.bounds.box import affine

CROWN = "Zhang et al. 2018, arXiv:1811.00866; of differences, Paulsen et al. 2020, arXiv:2001.03662"
LEVELS = 255
_EXACT = Assumption(
    "rounding errors of the pass are negligible", None, "in float64, of the networks' float64 copies; not bounded"
)
_UNIFORM = Assumption(
    "each input of the network is uniform in the box, independently of the others",
    None,
    "so by definition of the noise; not if grey images are repeated to several channels",
)
_AT_ONCE = 250  # sampled inputs of one forward pass


@dataclass(frozen=True)
class Settings:
    """How a box is made and sampled; ``radius`` in grey levels, the others as the theory's parameters."""

    radius: float
    beta: float
    draws: int
    seed: int


@dataclass(frozen=True)
class _Found:
    """Of one box: bounds on the largest |F_j - f_j|, what samples reached, and whether the class is sure."""

    worst: float
    probable: float
    reached: float
    quantile: float
    sure: bool
    parted: bool


def around(pair: NetworkPair, images: int) -> Tensor:
    """So many of the pair's images, evenly spaced, as the network takes them: [N, channels, height, width]."""
    part = evenly(pair.split, images)
    return torch.cat([batch for batch, _ in batches_of(part, pair.spec, len(part))()])


def statements(twins: Twins, images: Tensor, std: Sequence[float], settings: Settings, tell: Tell) -> Iterator[Bound]:
    """The largest difference of a logit, in the worst case and but for beta, and whether the classes agree.

    Args:
        images: [N, channels, height, width], the boxes' centres.
        std: of the inputs, by channel, for pixels in [0, 1].
    """
    radius = settings.radius / LEVELS / torch.tensor(list(std), dtype=torch.float64).view(1, -1, 1, 1)
    found = []
    for number, image in enumerate(images):
        tell(f"bounding the two networks around image {number + 1} of {len(images)}")
        generator = torch.Generator().manual_seed(settings.seed + number)
        found.append(_found(twins, image[None].double(), radius.expand(1, *image.shape), settings, generator))
    given = (
        Constant("radius", settings.radius, 0.0, "given, in grey levels"),
        Constant("boxes", float(len(found)), 0.0, "counted"),
        Constant("inputs sampled in each", 2.0 * settings.draws, 0.0, "uniform, and as many corners"),
    )
    where = f"in a box of +-{settings.radius:g} grey levels"
    yield Bound.stated(
        "both networks, worst case", CROWN, PROVEN, f"largest logit difference {where}",
        max(one.worst for one in found), measured=max(one.reached for one in found),
        assumptions=(_EXACT,), constants=given,
    )  # fmt: skip
    yield Bound.stated(
        "S1, uniform noise", "derived, after arXiv:2603.14818", PROVEN,
        f"largest logit difference under noise {where}, but for a probability of {settings.beta:g}",
        max(one.probable for one in found), measured=max(one.quantile for one in found),
        assumptions=(_EXACT, _UNIFORM), constants=(*given, Constant("beta", settings.beta, 0.0, "given")),
    )  # fmt: skip
    yield Bound.stated(
        "both networks, same class", CROWN, PROVEN, f"share of images whose two classes differ {where}",
        1 - float(np.mean([one.sure for one in found])), measured=float(np.mean([one.parted for one in found])),
        trivial=1.0, assumptions=(_EXACT,), constants=given,
    )  # fmt: skip


def _found(twins: Twins, image: Tensor, radius: Tensor, settings: Settings, generator: torch.Generator) -> _Found:
    box = twins.over(image, radius)
    reach = box.reach().difference
    unit = torch.eye(twins.classes, dtype=torch.float64, device=box.centre.device)
    above = box.envelope(difference=torch.cat([unit, -unit]))
    centre, half = (one.flatten().cpu().numpy() for one in (box.centre, box.radius))
    delta = settings.beta / len(above.constants)
    probable = max(
        affine(slopes, half, delta=delta, constant=float(constant), centre=centre).least
        for slopes, constant in zip(above.slopes, above.constants, strict=True)
    )
    worst = max(float(reach.high.max()), -float(reach.low.min()))
    uniform, corners = (_sampled(twins, box, settings.draws, generator, corners) for corners in (False, True))
    reached = np.concatenate([uniform.largest, corners.largest])
    return _Found(
        worst=worst,
        probable=min(worst, probable),
        reached=float(reached.max()),
        quantile=float(np.quantile(uniform.largest, 1 - settings.beta, method="lower")),
        sure=_is_sure(twins, box, unit),
        parted=bool(uniform.parted or corners.parted),
    )


def _is_sure(twins: Twins, box: Box, unit: Tensor) -> bool:
    """Whether both networks predict one class, the same, for all of the box."""
    with torch.no_grad():
        predicted = int(twins.networks[0](box.centre).argmax())
    others = [place for place in range(twins.classes) if place != predicted]
    leads = unit[others] - unit[predicted]
    return bool((box.highest(dense=leads) < 0).all() and (box.highest(pruned=leads) < 0).all())


@dataclass(frozen=True)
class _Sampled:
    """Of sampled inputs: the largest |F_j - f_j| of each, and whether any has two classes."""

    largest: np.ndarray
    parted: bool


def _sampled(twins: Twins, box: Box, draws: int, generator: torch.Generator, corners: bool) -> _Sampled:
    largest, parted = [], False
    for start in range(0, draws, _AT_ONCE):
        size = (min(_AT_ONCE, draws - start), *box.centre.shape[1:])
        noise = 2 * torch.rand(size, generator=generator, dtype=torch.float64) - 1
        inputs = box.centre + box.radius * (noise.sign() if corners else noise).to(box.centre.device)
        with torch.inference_mode():
            dense, pruned = (network(inputs) for network in twins.networks)
        largest.append((dense - pruned).abs().amax(dim=1).cpu().numpy())
        parted |= bool((dense.argmax(dim=1) != pruned.argmax(dim=1)).any())
    return _Sampled(np.concatenate(largest), parted)

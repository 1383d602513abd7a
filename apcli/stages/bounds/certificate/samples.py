"""S2 and S3: what images that stand for all others say about all others, with a stated confidence."""

from collections.abc import Iterator

import numpy as np

from apcli.probes.outputs import Outputs
from apcli.records.bound import ESTIMATE, LOWER, PROVEN, UPPER, Assumption, Bound, Constant
from apcli.theory.statistics import proportions
from apcli.theory.statistics.concentration import empirical_bernstein

CLOPPER_PEARSON = "Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404"
MAURER_PONTIL = "Maurer & Pontil 2009, arXiv:0907.3740, theorem 4"
FEWEST = 2  # images: S3 needs a variance


def drawn_from(split: str) -> Assumption:
    """That the images of a split are draws of what the statement is about: those trained on are not."""
    fitted = split == "train"
    return Assumption(
        "the images are independent draws from the distribution that the statement is about",
        False if fitted else None,
        "they are of the training split, to which the networks were fitted"
        if fitted
        else "a fixed part of the split, which stands for such draws",
    )


def statements(
    dense: Outputs, pruned: Outputs, drawn: Assumption, beta: float, tau: float, largest: float
) -> Iterator[Bound]:
    """S2 on the classes and, if ``tau`` > 0, on the logits; S3 on the losses, on both sides.

    Args:
        drawn: what ``drawn_from`` says of the images.
        beta: the probability, at most, that a statement is wrong; the two sides of S3 are one statement.
        tau: logits that differ by more are a failure.
        largest: b of S3; 0: the largest loss difference seen.
    """
    confidence = Constant("confidence", 1 - beta, 0.0, "given: 1 - beta")
    count = Constant("images", float(len(dense.labels)), 0.0, "counted")
    disagree = dense.logits.argmax(axis=1) != pruned.logits.argmax(axis=1)
    yield _rate(
        "S2, classes", "rate of images whose two predicted classes differ", disagree, drawn, beta, (confidence, count)
    )
    if tau > 0:
        far = np.abs(dense.logits - pruned.logits).max(axis=1) > tau
        what = f"rate of images with a logit that differs by more than {tau:g}"
        yield _rate("S2, logits", what, far, drawn, beta, (confidence, count, Constant("tau", tau, 0.0, "given")))
    if len(dense.labels) >= FEWEST:
        yield from _mean(np.abs(dense.losses - pruned.losses), drawn, beta, largest, (confidence, count))


def _rate(
    name: str, what: str, failed: np.ndarray, drawn: Assumption, beta: float, constants: tuple[Constant, ...]
) -> Bound:
    failures, draws = int(failed.sum()), len(failed)
    return Bound.stated(
        name,
        CLOPPER_PEARSON,
        PROVEN,
        what,
        proportions.upper(failures, draws, beta),
        measured=failures / draws,
        trivial=1.0,
        by_construction=True,
        assumptions=(drawn,),
        constants=(*constants, Constant("failures", float(failures), 0.0, "counted")),
    )


def _mean(
    differences: np.ndarray, drawn: Assumption, beta: float, largest: float, constants: tuple[Constant, ...]
) -> Iterator[Bound]:
    given = largest > 0
    top = largest if given else float(differences.max())
    values = np.minimum(differences, top)
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    what = "mean |loss difference|" + (f", each at most {top:g}" if given else "")
    bounded = Assumption(
        "no |loss difference| is larger than b", None, f"b = {top:.4g} is the largest one seen: larger ones may come"
    )
    constants = (*constants, Constant("b", top, 0.0 if given else None, "given" if given else "the largest one seen"))
    for side in (UPPER, LOWER):
        value = 0.0
        if top > 0:
            centre = mean if side == UPPER else top - mean
            above = empirical_bernstein(
                mean=centre, variance=variance, largest=top, samples=len(values), delta=beta / 2
            )
            value = above if side == UPPER else top - above
        trivial = top if side == UPPER else 0.0
        yield Bound.stated(
            f"S3, {side}",
            MAURER_PONTIL,
            PROVEN if given else ESTIMATE,
            what,
            value,
            unit="nats",
            side=side,
            measured=mean,
            by_construction=True,
            trivial=trivial if top > 0 else None,
            assumptions=(drawn,) if given else (drawn, bounded),
            constants=constants,
        )

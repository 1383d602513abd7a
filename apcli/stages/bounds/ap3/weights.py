"""What AP2 and AP3 of the same weights say about each other, and about total variation; one scale matrix."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from apcli.records import POOLED
from apcli.records.bound import LOWER, PROVEN, PUBLISHED, Assumption, Bound, Constant, Standing
from apcli.stages.bounds.ap3.assumptions import below_2
from apcli.stages.bounds.ap3.latent import Latent, Latents
from apcli.stages.bounds.measured import Stated, Weights
from apcli.theory.bounds import inversions, total_variation
from apcli.theory.distributions import gaussian, student_t

PAPER, NISHIYAMA = "arXiv:2403.00155", "derived from arXiv:2212.05820"
_AP2, _AP3, _TV = "AP2", "AP3", "total variation"


def statements(layers: Sequence[Weights], latents: Latents, df: float) -> Iterator[Stated]:
    """The statements about each layer and about all of them, for N(w, S) and t_df(w, S)."""
    named = [*((w.layer.name, latents.of(w)) for w in layers), (POOLED, latents.all)]
    for layer, latent in named:
        for bound in (*_gaussian(latent), *_student_t(latent, df)):
            yield Stated(bound, layer)


def _gaussian(latent: Latent) -> Iterator[Bound]:
    ap2, kl = latent.length**2, latent.kl
    constants = (
        Constant("AP3", kl, 0.0, "exact"),
        *latent.eigenvalues(),
        Constant("weights", float(latent.size), 0.0, "counted"),
    )
    yield Bound.stated(
        "equation 4", PAPER, PUBLISHED, latent.gaussians,
        inversions.gaussian_kl_at_most(ap2, 0.0, 1 / latent.smallest),
        unit="nats", measured=kl, constants=(Constant("AP2", ap2, 0.0, "exact"), *constants[1:]),
        by_construction=latent.isotropic,
    )  # fmt: skip
    yield Bound.stated(
        "equation 5", PAPER, PUBLISHED, _AP2, inversions.gaussian_length_at_most(kl, 0.0, 1 / latent.largest),
        measured=ap2, constants=constants, by_construction=latent.isotropic,
    )  # fmt: skip
    spread = Constant("C of Lemma 1", latent.spread, 0.0, "2 (tr P + tr Q)")
    corollaries: tuple[tuple[str, Standing, float, tuple[Assumption, ...]], ...] = (
        ("corollary 1", PUBLISHED, inversions.corollary_1(kl, latent.spread), (below_2(kl),)),
        ("corollary 1 by Bretagnolle-Huber", PROVEN, inversions.bretagnolle_huber(kl, latent.spread), ()),
    )
    for name, standing, value, assumed in corollaries:
        yield Bound.stated(
            name, PAPER if standing == PUBLISHED else "derived", standing, _AP2, value,
            measured=ap2, assumptions=assumed, constants=(*constants, spread),
        )  # fmt: skip
    yield from _total_variation("Gaussian", latent, 1.0, gaussian.tv(latent.delta), kl)


def _student_t(latent: Latent, df: float) -> Iterator[Bound]:
    ap2, size = latent.length**2, latent.size
    kl = student_t.kl(latent.delta, df, size)
    constants = (Constant("degrees of freedom", df, 0.0, "given"), *latent.eigenvalues())
    yield Bound.stated(
        "AP3 from AP2, Student-t", "derived (R5)", PROVEN, f"AP3 (Student-t, df = {df:g}, {latent.about})",
        inversions.student_t_kl_at_most(ap2, 1 / latent.smallest, df, size),
        unit="nats", measured=kl, constants=(Constant("AP2", ap2, 0.0, "exact"), *constants),
    )  # fmt: skip
    yield Bound.stated(
        "AP2 from AP3, Student-t", "derived", PROVEN, _AP2,
        inversions.student_t_length_at_most(kl, latent.largest, df, size),
        measured=ap2, constants=(Constant("AP3", kl, 0.0, "exact"), *constants), by_construction=latent.isotropic,
    )  # fmt: skip
    if df > 2:
        tv = student_t.tv(latent.delta, df)
        yield from _total_variation(f"Student-t, df = {df:g}", latent, df / (df - 2), tv, kl, ", Student-t")


def _total_variation(
    of: str, latent: Latent, variance: float, tv: float, kl: float, suffix: str = ""
) -> Iterator[Bound]:
    """Lemma 1 from below in its four strengths, and Pinsker and Bretagnolle-Huber from above, beside the exact value.

    Args:
        variance: the covariance over the scale matrix.
        suffix: of the statements' names: no two about a layer are called the same.
    """
    quantity, length = f"{_TV} ({of})", latent.length
    trace, deviation = variance * latent.trace, math.sqrt(variance) * latent.deviation
    reduced = np.array([latent.delta / math.sqrt(variance)])
    constants = (
        Constant("trace of the covariance", trace, 0.0, "of all weights"),
        Constant("standard deviation along w - w~", deviation, 0.0, "exact"),
    )
    below: tuple[tuple[str, Standing, float], ...] = (
        ("lemma 1", PUBLISHED, total_variation.lemma_1(length, trace, trace)),
        ("lemma 1, direct", PROVEN, total_variation.lemma_1_line(length, math.sqrt(trace), math.sqrt(trace))),
        ("lemma 1, projected", PROVEN, total_variation.lemma_1_line(length, deviation, deviation)),
        ("lemma 1, best line", PROVEN, total_variation.lemma_1_best(reduced, np.zeros(1))),
    )
    for name, standing, value in below:
        yield Bound.stated(
            f"{name}{suffix}", PAPER if standing == PUBLISHED else NISHIYAMA, standing, quantity, value,
            side=LOWER, measured=tv, trivial=0.0 if length else None, constants=constants,
        )  # fmt: skip
    above: tuple[tuple[str, Standing, float], ...] = (
        ("definition 3 (Pinsker)", PUBLISHED, total_variation.pinsker(kl)),
        ("Bretagnolle-Huber", PROVEN, total_variation.bretagnolle_huber(kl)),
    )
    for name, standing, value in above:
        source = PAPER if standing == PUBLISHED else "Bretagnolle & Huber 1979, doi:10.1007/BF00535152"
        yield Bound.stated(
            f"{name}{suffix}", source, standing, quantity, value,
            measured=tv, trivial=1.0, constants=(Constant("AP3", kl, 0.0, "exact"),),
        )  # fmt: skip

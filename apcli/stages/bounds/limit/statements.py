"""What the limits of a dense network say about the share of weights to keep, with their assumptions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from apcli.records.bound import (
    AT_THE_LIMIT,
    DIAGNOSTIC,
    ESTIMATE,
    KEPT,
    LOWER,
    PROVEN,
    PUBLISHED,
    Assumption,
    Bound,
    Constant,
    Spectrum,
    Standing,
)
from apcli.stages.bounds.measured import MeasuredPair
from apcli.stages.limits.limits import Limits
from apcli.theory.limit.dimensions import effective_dimension, flatness_bound, shift_at
from apcli.theory.limit.spectra import Estimate

PAPER = "arXiv:2306.05857"
_LITTLE = 0.1  # of eps: what a model may leave out
_CONVERGED = 0.02  # of an estimate: how far half the Lanczos steps may be away


@dataclass(frozen=True)
class Known:
    """A share of weights that is kept by a network, and what must hold for it to be held against a lower bound."""

    share: float
    assumptions: tuple[Assumption, ...]


def measured(pair: MeasuredPair, found: Limits) -> Known:
    """The share that the pruned file keeps; for a dense file alone, what is left after one-shot pruning to eps."""
    if pair.dense.sha256 == pair.pruned.sha256:
        return Known(found.share(found.one_shot), ())
    kept = sum(int(np.count_nonzero(weights.pruned)) for weights in pair.weights)
    rise = pair.on_data.pruned_outputs.loss - found.landscape.loss
    others = sorted(set(pair.on_data.other_differences) - set(found.landscape.biases))
    return Known(
        kept / found.landscape.removable,
        (
            Assumption("pruned loss within eps", rise <= found.eps, f"it rises by {rise:.4g}, eps is {found.eps:.4g}"),
            Assumption("all else as in the dense file", not others, ", ".join(others[:3]) or "no tensor differs"),
        ),
    )


def bounds_of(found: Limits, known: Known) -> Iterator[Bound]:
    """All statements, lower bounds on the share to keep before upper ones."""
    dimension, (paper, as_published) = _dimension(found), _published(found)
    subspaces: tuple[tuple[str, str, Standing, int], ...] = (
        ("published limit", paper, as_published, found.published),
        ("random subspace", "derived (B), after arXiv:2306.05857", ESTIMATE, found.aligned),
        ("random subspace, isotropic", "derived (Biso), a fallback", ESTIMATE, found.isotropic),
    )
    for name, source, standing, k in subspaces:
        yield Bound.stated(
            name, source, standing, KEPT, found.share(k), side=LOWER, measured=known.share, trivial=0.0,
            assumptions=(*_of_the_model(found, k), *_of_the_spectrum(dimension), *known.assumptions),
            constants=(*_common(found), *_spectral(found), *_of_the_mask(found, k), *_at_the_limit(found, k)),
            spectrum=_spectrum(found) if name == "published limit" else None,  # it is the same for all
        )  # fmt: skip
    yield _best_point(found)
    yield Bound.stated(
        "one-shot, no adjustment", "derived", PROVEN, KEPT, found.share(found.one_shot), trivial=1.0,
        constants=(
            *_common(found), *_of_the_mask(found, found.one_shot),
            Constant("rise of the loss", found.rise_one_shot(found.one_shot), 0.0, "measured"),
        ),
        curve=found.curve,
    )  # fmt: skip
    yield Bound.stated(
        "gap of the bounds", "derived", DIAGNOSTIC, "best point minus published limit",
        100 * (found.share(found.best.kept) - found.share(found.published)), unit="% of the weights",
        constants=_common(found),
    )  # fmt: skip
    yield _flatness(found, dimension)


def _best_point(found: Limits) -> Bound:
    point, rise = found.best.point, found.best_rise
    within = Assumption("loss within eps at the point", rise <= found.eps, f"it rises by {rise:.4g} when measured")
    return Bound.stated(
        "best point on the mask", "derived, quadratic", ESTIMATE, KEPT, found.share(found.best.kept), trivial=1.0,
        assumptions=(within,),
        constants=(
            *_common(found), *_of_the_mask(found, found.best.kept),
            Constant("damping", found.damping, 0.0, "of the change of the weights kept"),
            Constant("second-order rise", point.change, None, f"conjugate gradients: {point.stopped}"),
            Constant("second-order rise without adjustment", point.unadjusted, None, "one product"),
            Constant("rise of the loss", rise, 0.0, "measured at the point"),
            Constant("products", float(found.best.products), 0.0, "counted"),
        ),
    )  # fmt: skip


def _flatness(found: Limits, dimension: Estimate) -> Bound:
    """The published limit's share of all parameters by the trace alone, at the published mask."""
    size, squared, ends = found.order.size, float(found.order.squares[found.published]), found.extremes
    definite = Assumption("positive semi-definite", found.semidefinite, f"smallest eigenvalue {ends.smallest:.3g}")
    return Bound.stated(
        "flatness corollary", *_published(found), "published kept share of parameters, at its mask",
        flatness_bound(found.spectrum.trace().value, size, squared, found.eps), trivial=1.0,
        measured=dimension.value / size, assumptions=(definite,),
        constants=(*_common(found), *_spectral(found), *_of_the_mask(found, found.published)),
    )  # fmt: skip


def _published(found: Limits) -> tuple[str, Standing]:
    """The source and standing of what the paper says of the Hessian."""
    if found.settings.curvature == "hessian":
        return PAPER, PUBLISHED
    return f"{PAPER}, of the Gauss-Newton matrix instead of the Hessian", ESTIMATE


def _dimension(found: Limits) -> Estimate:
    """D - delta as published, at the published mask."""
    squared = float(found.order.squares[found.published])
    return effective_dimension(found.spectrum, shift_at(squared, found.eps), absolute=True)


def _of_the_model(found: Limits, k: int) -> tuple[Assumption, ...]:
    """That the loss is its second-order model around a minimum, and the kept weights a random subspace."""
    linear, rise, model = found.linear(k), found.best_rise, found.best.point.change
    return (
        Assumption("at a minimum", abs(linear) <= _LITTLE * found.eps, f"first-order rise {linear:.3g} at the limit"),
        Assumption(
            "quadratic loss", abs(rise - model) <= _LITTLE * found.eps,
            f"at the best point on the mask the loss rises by {rise:.3g}, by its second order {model:.3g}",
        ),
        Assumption("random subspace", None, "the largest weights are chosen, not drawn"),
    )  # fmt: skip


def _of_the_spectrum(dimension: Estimate) -> tuple[Assumption, ...]:
    held = dimension.change <= _CONVERGED * dimension.value
    half = f"half the Lanczos steps give D - delta {dimension.value:.4g} off by {dimension.change:.3g}"
    return (Assumption("spectrum has converged", held, half),)


def _common(found: Limits) -> tuple[Constant, ...]:
    how = f"by the rule {found.settings.eps}: {found.eps / found.landscape.loss:.3g} times the loss"
    return (
        Constant("eps", found.eps, 0.0, how),
        Constant("loss", found.landscape.loss, 0.0, "of the dense network, measured"),
        Constant("length of the gradient", found.slope, 0.0, "measured"),
        Constant("weights", float(found.landscape.removable), 0.0, f"{found.landscape.lost} of them lost already"),
        Constant("parameters", float(found.order.size), 0.0, "without the weights lost already, with biases"),
    )


def _spectral(found: Limits) -> tuple[Constant, ...]:
    how = f"{found.settings.curvature}, {found.settings.steps} Lanczos steps"
    ends, trace, negative = found.extremes, found.spectrum.trace(), found.spectrum.negative_mass()
    return (
        Constant("trace", trace.value, _known(trace.error), how),
        Constant("largest eigenvalue", ends.largest, ends.largest_error, how),
        Constant("smallest eigenvalue", ends.smallest, ends.smallest_error, how),
        Constant("share of negative eigenvalues", negative.value, _known(negative.error), how),
    )


def _of_the_mask(found: Limits, k: int) -> tuple[Constant, ...]:
    return (
        Constant("weights kept", float(k), 0.0, "the largest"),
        Constant("smallest magnitude kept", found.order.threshold(k) if k else None, 0.0, "exact"),
        Constant("squared length of the weights removed", float(found.order.squares[k]), 0.0, "exact"),
        Constant("first-order rise", found.linear(k), 0.0, "measured"),
    )


def _at_the_limit(found: Limits, k: int) -> tuple[Constant, ...]:
    """Eigenvalues well above it have directions that must be kept; as published, for all statements."""
    squared = float(found.order.squares[k])
    how = "2 eps / R^2: in its direction the loss rises by eps over R, the length of the weights removed"
    return (Constant(AT_THE_LIMIT, shift_at(squared, found.eps), 0.0, how),) if squared else ()


def _spectrum(found: Limits) -> Spectrum:
    """The Ritz values of all random starts, each start with the same weight."""
    starts = found.spectrum.starts
    values = np.concatenate([one.values for one in starts])
    weights = np.concatenate([one.weights for one in starts]) / len(starts)
    order = np.argsort(values)
    return Spectrum(*(tuple(float(f"{number:.6g}") for number in part[order]) for part in (values, weights)))


def _known(error: float) -> float | None:
    return None if math.isnan(error) else error

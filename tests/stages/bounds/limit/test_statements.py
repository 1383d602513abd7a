"""What the limits say, and what it is held against."""

import math

import pytest
from measured_pairs import measured

from apcli.records import lines
from apcli.stages.bounds.limit import statements


@pytest.fixture(scope="module")
def stated(pair, limits):
    return {one.statement: one for one in statements.bounds_of(limits, statements.measured(pair, limits))}


def constants(bound):
    return {one.name: one.value for one in bound.constants}


def test_every_number_with_its_standing(stated, limits):
    shares = {name: (one.standing, one.side, one.value) for name, one in stated.items() if "share" in one.quantity}
    weights = limits.landscape.removable
    assert shares.pop("flatness corollary")
    assert shares == {
        "published limit": ("estimate", "lower", limits.published / weights),
        "random subspace": ("estimate", "lower", limits.aligned / weights),
        "random subspace, isotropic": ("estimate", "lower", limits.isotropic / weights),
        "best point on the mask": ("estimate", "upper", limits.best.kept / weights),
        "one-shot, no adjustment": ("proven", "upper", limits.one_shot / weights),
    }
    gap = stated["gap of the bounds"]
    assert gap.value == pytest.approx(100 * (limits.best.kept - limits.published) / weights)
    assert (gap.standing, gap.verdict) == ("diagnostic", "not measured")


def test_the_paper_s_number_is_of_the_hessian(pair, limits, limits_for):
    hessian = limits_for(curvature="hessian", steps=10)
    for found, standing, words in ((limits, "estimate", "Gauss-Newton"), (hessian, "published", "")):
        stated = {one.statement: one for one in statements.bounds_of(found, statements.measured(pair, found))}
        for name in ("published limit", "flatness corollary"):
            assert stated[name].standing == standing
            assert words in stated[name].source
            assert stated[name].source.startswith("arXiv:2306.05857")
        assert stated["published limit"].spectrum is not None


def test_a_lower_bound_of_a_dense_file_is_held_against_one_shot_pruning(stated, limits):
    published = stated["published limit"]
    assert published.measured == limits.share(limits.one_shot) == stated["one-shot, no adjustment"].value
    verdicts = {one.name: one.holds for one in published.assumptions}
    assert verdicts["random subspace"] is None
    assert verdicts["at a minimum"] == (abs(limits.linear(limits.published)) <= 0.1 * limits.eps)
    assert verdicts["quadratic loss"] == (abs(limits.best_rise - limits.best.point.change) <= 0.1 * limits.eps)
    assert published.holds == (published.value <= published.measured)
    failing = False in verdicts.values()
    assert published.verdict == ("assumption fails" if failing else "not contradicted" if published.holds else "broken")


def test_the_best_point_counts_where_its_loss_is_within_eps(stated, limits):
    (within,) = stated["best point on the mask"].assumptions
    assert within.holds == (limits.best_rise <= limits.eps)


def test_the_constants_are_named(stated, limits):
    found = constants(stated["published limit"])
    assert (found["eps"], found["loss"]) == (limits.eps, limits.landscape.loss)
    assert found["weights kept"] == limits.published
    assert found["squared length of the weights removed"] == limits.order.squares[limits.published]
    assert found["largest eigenvalue"] == limits.extremes.largest
    assert found["first-order rise"] == limits.linear(limits.published)
    one_shot = stated["one-shot, no adjustment"]
    assert constants(one_shot)["rise of the loss"] == limits.rise_one_shot(limits.one_shot)
    assert one_shot.curve == limits.curve
    assert stated["published limit"].curve == ()


def test_the_published_limit_carries_the_spectrum_that_it_comes_from(stated, limits):
    """With the eigenvalue at the limit, its Ritz pairs give the share of parameters that are kept, to 6 digits."""
    published, spectrum = stated["published limit"], stated["published limit"].spectrum
    assert list(spectrum.values) == sorted(spectrum.values)
    assert math.fsum(spectrum.weights) == pytest.approx(1, rel=1e-5)
    trace = limits.order.size * math.fsum(v * w for v, w in zip(spectrum.values, spectrum.weights, strict=True))
    assert trace == pytest.approx(limits.spectrum.trace().value, rel=1e-4)
    threshold = constants(published)["eigenvalue at the limit"]
    assert threshold == 2 * limits.eps / constants(published)["squared length of the weights removed"]
    pairs = zip(spectrum.values, spectrum.weights, strict=True)
    share = math.fsum(weight * abs(value) / (abs(value) + threshold) for value, weight in pairs)
    assert share == pytest.approx(stated["flatness corollary"].measured, rel=1e-4)
    assert {name for name, one in stated.items() if one.spectrum} == {"published limit"}
    assert len(lines.dump(published.to_json())) < 8000


def test_the_trace_bounds_the_published_limit(stated):
    """Jensen's inequality holds for the quadrature itself."""
    flat = stated["flatness corollary"]
    assert flat.measured <= flat.value < 1
    assert flat.verdict == "holds"


def test_a_pruned_file_is_held_against_the_lower_bounds_if_its_loss_is_within_eps(dense, pruned, limits):
    pair = measured(dense, pruned, layers="fc5", split="train", images=100)
    known = statements.measured(pair, limits)
    assert known.share == 0.5
    assert type(known.share) is float, "NumPy counts with numbers of its own, which JSON refuses"
    loss, others = known.assumptions
    rise = pair.on_data.pruned_outputs.loss - limits.landscape.loss
    assert loss.holds == (rise <= limits.eps)
    assert others.holds is False, "fc4 is pruned too"
    assert others.reason == "fc4.weight"
    both = measured(dense, pruned, split="train", images=100)
    assert statements.measured(both, limits).assumptions[1].holds

"""Distributions of the weights alone, on real files: families, covariances, measures, estimators, levels, refusals."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from scipy import stats

from apcli.checkpoints.reading import read
from apcli.configs.divergence import DivergenceConfig
from apcli.errors import ApcliError, UsageError
from apcli.projections import DISTRIBUTIONS
from apcli.projections.weights import check_groups, key_of, pair_of
from apcli.records import lines
from apcli.records.divergence import DivergenceRecord
from apcli.stages.divergence.stage import Divergences
from apcli.theory.covariances import families
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair


def measured(dense: Path, pruned: Path, dist: str, **options: Any) -> list[DivergenceRecord]:
    return list(Divergences(DivergenceConfig(dist, **options)).records(read(dense), read(pruned)))


def values(found: list[DivergenceRecord]) -> dict[str, float]:
    return {record.layer: record.value for record in found}


def weights(path: Path) -> dict[str, np.ndarray]:
    return {name.removesuffix(".weight"): tensor.double().numpy() for name, tensor in load_file(path).items()}


def test_elementwise_families_are_sums_over_the_weights(plain):
    before, after = map(weights, plain)
    x = {name: np.abs(before[name] - after[name]).ravel() / 0.5 for name in before}
    x["*"] = np.concatenate(list(x.values()))
    laplace, cauchy = (values(measured(*plain, f"{family}:scale=0.5")) for family in ("laplace", "cauchy"))
    for name, shift in x.items():
        assert laplace[name] == pytest.approx(float(np.sum(shift + np.exp(-shift) - 1)), rel=1e-12)
        assert cauchy[name] == pytest.approx(float(np.sum(np.log1p(shift**2 / 4))), rel=1e-12)


@pytest.mark.parametrize("blocks", [1, 3, 8, 1 << 20])
def test_blocks_of_any_size_give_the_same_numbers(plain, monkeypatch, blocks):
    dists = "ap2:groups=7,gaussian:cov=diag,student-t:cov=rows:shrinkage=0.5,gaussian:cov=ar1:rho=0.3,laplace"
    wanted = measured(*plain, dists)
    monkeypatch.setattr("apcli.projections.weights.BLOCK", blocks)
    found = measured(*plain, dists)
    assert [r.value for r in found] == pytest.approx([r.value for r in wanted], rel=1e-12)


def test_two_covariances_are_those_of_the_two_laws_by_brute_force(plain):
    """Block-diagonal matrices written out in full, with the densities of NumPy and SciPy."""
    before, after = (w["fc"] for w in map(weights, plain))
    rho = (
        [0.2 ** abs(i - j) for i in range(8) for j in range(8)],
        [0.6 ** abs(i - j) for i in range(8) for j in range(8)],
    )
    first, second = (
        np.kron(np.eye(5), scale**2 * np.reshape(r, (8, 8))) for r, scale in zip(rho, (1.0, 2.0), strict=True)
    )
    d = (before - after).ravel()
    inverse = np.linalg.inv(second)
    kl = 0.5 * (
        np.trace(inverse @ first) - 40 + d @ inverse @ d + math.log(np.linalg.det(second) / np.linalg.det(first))
    )
    dist = "gaussian:cov=ar1:rho=0.2:pruned_rho=0.6:pruned_scale=2"
    (record,) = measured(*plain, dist, layers="fc", level="layer")
    assert record.value == pytest.approx(kl, rel=1e-11)
    drawn = np.random.default_rng(0).multivariate_normal(before.ravel(), first, 40_000)
    laws = stats.multivariate_normal(before.ravel(), first), stats.multivariate_normal(after.ravel(), second)
    ratio = laws[0].logpdf(drawn) - laws[1].logpdf(drawn)
    assert abs(ratio.mean() - kl) < 4 * ratio.std() / 200


def test_a_covariance_from_a_file(plain, tmp_path):
    draw = np.random.default_rng(5).normal(size=(8, 20))
    matrix = draw @ draw.T / 20
    np.save(tmp_path / "c.npy", matrix)
    before, after = (w["fc"] for w in map(weights, plain))
    d = before - after
    wanted = 0.5 * np.einsum("ki,ij,kj->", d, np.linalg.inv(matrix), d)
    (record,) = measured(*plain, f"gaussian:cov=full:path={tmp_path / 'c.npy'}", layers="fc", level="network")
    assert record.layer == "*"
    assert record.value == pytest.approx(float(wanted), rel=1e-11)
    with pytest.raises(UsageError, match=r"layer conv cannot use .*\(8, 8\), expected \(12, 12\)"):
        measured(*plain, f"gaussian:cov=full:path={tmp_path / 'c.npy'}")


def test_all_measures_of_one_pair_hold_together(plain):
    names = "kl,reverse-kl,jeffreys,renyi:alpha=0.3,bhattacharyya,hellinger,tv,js,w2"
    found = measured(*plain, "ap2,student-t:df=5:scale=3", measure=names, level="network")
    assert [r.measure for r in found] == ["ap2", *(n.partition(":")[0] for n in names.split(","))]
    assert found[4].measure_params == {"alpha": 0.3}
    ap2, kl, reverse, jeffreys, renyi, bhattacharyya, hellinger, tv, js, w2 = (r.value for r in found)
    assert kl == pytest.approx(reverse)
    assert jeffreys == pytest.approx(kl + reverse)
    assert 0 < renyi < kl
    assert hellinger**2 == pytest.approx(1 - math.exp(-bhattacharyya))
    assert hellinger**2 <= tv <= math.sqrt(2 * hellinger**2 - hellinger**4)
    assert tv == pytest.approx(2 * stats.t(5).cdf(math.sqrt(ap2) / 6) - 1)
    assert 0 < js < math.log(2)
    assert w2 == pytest.approx(math.sqrt(ap2))
    assert all(r.estimator == "exact" and r.std_error == 0 and r.draws is None for r in found)
    assert [r.tv_bounds is None for r in found] == [r.measure != "kl" for r in found]
    bounds = found[1].tv_bounds
    assert bounds.lemma_1 < bounds.lemma_1_best < tv < min(bounds.pinsker, bounds.bretagnolle_huber)


def test_what_has_no_closed_form_is_drawn_and_says_so(plain):
    how = {"measure": "tv", "samples": 20_000, "repeats": 2, "seed": 3, "level": "network"}
    (record,) = measured(*plain, "student-t:scale=2:pruned_scale=3", **how)
    assert (record.estimator, record.draws) == ("mc", {"samples": 20_000, "repeats": 2, "seed": 3})
    assert 0 < record.value < 1
    assert 0 < record.std_error < 0.02
    assert measured(*plain, "student-t:scale=2:pruned_scale=3", **how) == [record]
    (other,) = measured(*plain, "student-t:scale=2:pruned_scale=3", **{**how, "seed": 4})
    assert other.value != record.value
    assert abs(other.value - record.value) < 5 * math.hypot(other.std_error, record.std_error)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["mc", "mc-naive"])
@pytest.mark.parametrize("dist", ["student-t:scale=5", "gaussian:cov=diag:scale=3", "laplace:scale=5"])
def test_estimates_meet_the_exact_value(plain, estimator, dist):
    (exact,) = measured(*plain, dist, layers="fc", level="layer")
    (drawn,) = measured(*plain, dist, layers="fc", level="layer", estimator=estimator, samples=40_000)
    assert (drawn.estimator, drawn.tv_bounds) == (estimator, exact.tv_bounds)
    # Antithetic points of two Gaussians of one covariance have no variance left: then only rounding is.
    assert abs(drawn.value - exact.value) < 4 * drawn.std_error + 1e-12 * exact.value
    assert drawn.std_error < exact.value / 5


def test_groups_for_all_that_have_them(plain):
    found = measured(*plain, "ap2,student-t,gaussian:groups=3,laplace", groups=10, level="network")
    assert [r.params.get("groups") for r in found] == [10, 10, 3, None]
    assert [r.dim for r in found] == [math.ceil(112 / 11), math.ceil(112 / 11), math.ceil(112 / 37), 112]
    with pytest.raises(UsageError, match="--groups 10: no distribution of laplace,cauchy"):
        measured(*plain, "laplace,cauchy", groups=10)


@pytest.mark.parametrize(
    ("level", "layers"), [("layer", ["conv", "fc"]), ("network", ["*"]), ("both", ["conv", "fc", "*"])]
)
def test_levels(plain, level, layers):
    dists = "ap2,gaussian:cov=rows,laplace,ap2:groups=3"
    found = measured(*plain, dists, level=level)
    assert [r.layer for r in found] == layers * 4
    whole = {(r.dist, str(r.params), r.layer): r.value for r in measured(*plain, dists)}
    assert all(whole[r.dist, str(r.params), r.layer] == r.value for r in found)


@pytest.mark.parametrize(
    ("dist", "measure", "words"),
    [
        ("predictive", "w2", "w2 of predictive: .*defined are kl, reverse-kl"),
        ("cauchy:pruned_scale=2", "w2", "w2 of cauchy.*defined are kl, "),
        ("gaussian", "renyi:alpha=1", "alpha is 1: expected a number above 0 other than 1"),
        ("gaussian", "chi2", "unknown measure 'chi2'"),
    ],
)
def test_measures_that_are_not_defined_are_told_what_is(dist, measure, words):
    with pytest.raises(UsageError, match=words):
        Divergences(DivergenceConfig(dist, measure))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": "mc", "measure": "kl,w2"}, "w2 is no average over draws"),
        ({"dist": "gaussian,gaussian:scale=1.0"}, "gaussian is named twice"),
        ({"measure": "tv,kl,tv"}, "tv is named twice"),
        ({"dist": "gaussian:scale=1e200:pruned_scale=1e-200"}, "scales less far apart"),
        ({"dist": "gaussian:cov=fisher:pruned_scale=2", "measure": "w2"}, "defined are kl"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(options, words):
    with pytest.raises(UsageError, match=words):
        Divergences(DivergenceConfig(**options))


def test_groups_can_be_said_of_one_distribution(plain):
    found = measured(*plain, "ap2,ap2:groups=0,gaussian:cov=diag:groups=0", groups=10, level="network")
    assert [r.params["groups"] for r in found] == [10, 0, 0]


def test_a_renyi_divergence_that_draws_cannot_tell_is_not_told(plain, caplog):
    """Far apart, a few draws in a million carry the average: its error, estimated from them, means nothing."""
    (record,) = measured(*plain, "student-t:df=3:scale=0.02", measure="renyi:alpha=2", level="network", samples=20_000)
    assert math.isnan(record.value)
    assert record.std_error is None
    assert '"value": null' in lines.dump(record.to_json())
    assert ["beyond Monte Carlo" in r.message for r in caplog.records] == [True]
    (near,) = measured(*plain, "student-t:df=3:scale=90", measure="renyi:alpha=2", level="network", samples=20_000)
    assert 0 < near.std_error < near.value / 10


def test_unknown_estimators_and_levels_that_cannot_be():
    with pytest.raises(UsageError, match=r"unknown estimator 'exakt'.*exact, mc, mc-naive"):
        Divergences(DivergenceConfig(estimator="exakt"))
    with pytest.raises(UsageError, match="predictive is of the whole network"):
        Divergences(DivergenceConfig("predictive", level="layer"))


def test_a_smaller_layer_says_why_it_cannot_be_compared(plain, tmp_path):
    tensors = load_file(plain[0])
    save_file({**tensors, "fc.weight": tensors["fc.weight"][:3].clone()}, tmp_path / "small.safetensors")
    with pytest.raises(ApcliError, match=r"fc is 5x8 in .*, 3x8 in .*has kept are not known"):
        measured(plain[0], tmp_path / "small.safetensors", "ap2")


@pytest.mark.parametrize("dist", ["ap2", "gaussian:cov=diag", "gaussian:cov=rows", "student-t:cov=diag:pruned_cov=own"])
def test_a_weight_that_is_no_number_is_named_whatever_the_covariance(plain, tmp_path, dist):
    tensors = load_file(plain[0])
    tensors["fc.weight"][2, 3] = math.nan
    save_file(tensors, tmp_path / "bad.safetensors")
    with pytest.raises(ApcliError, match=r"bad\.safetensors: tensor fc\.weight holds 1 NaN or Inf values"):
        measured(plain[0], tmp_path / "bad.safetensors", dist)
    with pytest.raises(ApcliError, match=r"bad\.safetensors: tensor fc\.weight holds 1 NaN or Inf values"):
        measured(tmp_path / "bad.safetensors", plain[0], dist)


def test_infinite_is_null_and_said_once(plain, caplog):
    found = measured(*plain, "student-t:df=2:pruned_df=inf")
    assert [r.value for r in found] == [math.inf] * 3
    assert [r.message for r in caplog.records] == [
        "kl of student-t:df=2.0:pruned_df=inf is infinite for some layers: their records hold null"
    ]


# ---- one choice


def test_choices_of_one_key_need_the_same_numbers():
    """What only the distribution takes does not count, and what is said or left out is the same."""
    key = lambda spec: key_of(DISTRIBUTIONS.parse(spec))  # noqa: E731
    assert key("student-t:df=3") == key("student-t:df=9:pruned_df=2") == key("gaussian:scale=1.0") == key("ap2")
    assert len({key(spec) for spec in ("gaussian", "gaussian:scale=2", "gaussian:cov=diag", "gaussian:groups=2")}) == 4
    assert len({key("laplace"), key("laplace:scale=2"), key("cauchy")}) == 3


def test_the_pair_is_that_of_the_choice():
    shift = Shift.of_one_scale(1.0, 4)
    assert pair_of(DISTRIBUTIONS.parse("student-t:df=3:pruned_df=7"), shift) == StudentTPair(shift, 3.0, 7.0)
    assert pair_of(DISTRIBUTIONS.parse("gaussian"), shift) == GaussianPair(shift)
    summed = StudentTPair(shift, 1.0, 1.0)
    assert pair_of(DISTRIBUTIONS.parse("laplace"), summed) is summed, "a pair already"


def test_groups_that_cannot_be():
    choice = DISTRIBUTIONS.parse("gaussian:groups=100")
    check_groups(choice)
    with pytest.raises(ValueError, match="groups is -1: expected 0"):
        check_groups(replace(choice, parameters={**choice.parameters, "groups": -1}))
    with pytest.raises(ValueError, match="groups goes with cov=identity"):
        check_groups(DISTRIBUTIONS.parse("gaussian:groups=2:cov=diag"))


@pytest.mark.parametrize(("pruned_cov", "made"), [("same", 2), ("own", 4)])
def test_a_covariance_of_the_dense_weights_alone_is_made_once_for_all_pruned_files(
    plain, monkeypatch, pruned_cov, made
):
    calls, diag = [], families.diag
    monkeypatch.setattr(families, "diag", lambda *given, **more: calls.append(more) or diag(*given, **more))
    stage = Divergences(DivergenceConfig(f"gaussian:cov=diag:pruned_cov={pruned_cov}"))
    calls.clear()  # of a trial before any file is read
    first, again = (list(stage.records(read(plain[0]), read(plain[1]))) for _ in range(2))
    assert [record.value for record in first] == [record.value for record in again]
    assert len(calls) == made  # of two layers

"""Divergence with every kind of projection on real files: laws, covariances, measures, estimators, and the network."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from scipy import stats

from apcli.checkpoints import traces
from apcli.checkpoints.reading import read
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.data.datasets import load
from apcli.errors import ApcliError, UsageError
from apcli.projections.network import DataProjections
from apcli.records import lines
from apcli.records.divergence import DivergenceRecord
from apcli.stages.divergence.choices import needs_data
from apcli.stages.divergence.stage import Divergences
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

SHAPES = {"conv.weight": (6, 3, 2, 2), "fc.weight": (5, 8)}


def quiet(text: str, share: float | None = None) -> None:
    assert text


def measured(dense: Path, pruned: Path, dist: str, **options: Any) -> list[DivergenceRecord]:
    config = DivergenceConfig(dist, **options)
    on_data = DataProjections(config, quiet) if needs_data(config) else None
    return list(Divergences(config, on_data).records(read(dense), read(pruned)))


def values(found: list[DivergenceRecord]) -> dict[str, float]:
    return {record.layer: record.value for record in found}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of two layers, and of different precision, without any lineage."""
    folder = tmp_path_factory.mktemp("plain")
    for seed, dtype in ((0, torch.float32), (1, torch.float16)):
        draw = torch.Generator().manual_seed(seed)
        save_file(
            {n: torch.randn(s, generator=draw).to(dtype) for n, s in SHAPES.items()}, folder / f"{seed}.safetensors"
        )
    return folder / "0.safetensors", folder / "1.safetensors"


def weights(path: Path) -> dict[str, np.ndarray]:
    return {name.removesuffix(".weight"): tensor.double().numpy() for name, tensor in load_file(path).items()}


# ---- the weights alone


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
    with pytest.raises(ApcliError, match=r"fc is 5x8 in .*, 3x8 in .*which rows of a smaller layer are whose"):
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


# ---- the network and its data


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small network on digits, and its fine-tuned pruned version with a trace; only the last layer differs."""
    folder = tmp_path_factory.mktemp("tuned")
    loop = LoopConfig(epochs=2, lr=0.05, device="cpu")
    config = TrainConfig(ModelConfig("fc5"), DataConfig("digits"), loop)
    (dense,) = train(config, Outputs(folder / "net.safetensors"), quiet)
    (pruned,) = prune(read(dense), PruneConfig((0.5,), "highest", layers="last"), Outputs())
    tuner = Finetuner(FinetuneConfig(loop=loop, update="pruned"), Outputs(), quiet)
    return dense, tuner.finetune(read(pruned))


def log_p(path: Path, images: torch.Tensor) -> torch.Tensor:
    """The network written out: five linear layers with ReLU between."""
    tensors = load_file(path)
    x = images
    for i in range(1, 6):
        x = F.linear(x, tensors[f"fc{i}.weight"], tensors[f"fc{i}.bias"])
        x = x if i == 5 else x.relu()
    return x.double().log_softmax(1)


def inputs() -> torch.Tensor:
    digits = load("digits", Path("data"))
    mean, std = (torch.tensor(numbers).view(-1, 1, 1) for numbers in (digits.mean, digits.std))
    return ((digits.test.images / 255 - mean) / std).flatten(1)


@pytest.mark.slow
def test_predictions_are_compared_for_every_image_and_epoch(tuned):
    dense, pruned = tuned
    found = measured(dense, pruned, "predictive", measure="kl,tv")
    assert [(r.epoch, r.layer, r.dim) for r in found[::2]] == [(e, "*", 10) for e in (None, 0, 1, 2)]
    p, q = log_p(dense, inputs()), log_p(pruned, inputs())
    each = (p.exp() * (p - q)).sum(1)
    kl, tv = found[:2]
    assert kl.value == pytest.approx(each.mean().item(), rel=1e-4)
    assert kl.std_error == pytest.approx(each.std().item() / math.sqrt(355), rel=1e-4)
    assert tv.value == pytest.approx((p.exp() - q.exp()).abs().sum(1).mean().item() / 2, rel=1e-4)
    assert kl.evaluated == {"data": "digits", "split": "test", "images": 355}
    assert found[6].value == pytest.approx(kl.value, rel=1e-12)  # the last epoch is the file
    (drawn,) = measured(dense, pruned, "predictive", estimator="mc", images=50)[:1]
    assert drawn.estimator == "exact"
    assert found[2].value > 2 * kl.value  # just pruned it was further away


@pytest.mark.slow
def test_where_other_layers_learn_too_an_epoch_has_no_predictions(tuned, tmp_path):
    dense, pruned = tuned
    tuner = Finetuner(
        FinetuneConfig(loop=LoopConfig(epochs=1, device="cpu")), Outputs(tmp_path / "all.safetensors"), quiet
    )
    path = tuner.finetune(read(dense.with_name("net.highest-0.5.safetensors")))
    assert traces.path_beside(path).exists()
    assert [r.epoch for r in measured(dense, path, "predictive")] == [None]
    config = FinetuneConfig(loop=LoopConfig(epochs=0, device="cpu"))
    tuner = Finetuner(config, Outputs(tmp_path / "as-it-is.safetensors"), quiet)
    still = tuner.finetune(read(dense.with_name("net.highest-0.5.safetensors")))
    (file, epoch_0) = measured(dense, still, "predictive")
    assert (epoch_0.epoch, epoch_0.value) == (0, file.value)
    assert pruned.exists()


def test_the_metric_of_the_outputs_is_the_mean_squared_change_of_the_logits(tuned):
    dense, pruned = tuned
    found = measured(dense, pruned, "gaussian:cov=activation:scale=0.5,student-t:cov=activation", images=100)
    tensors = [load_file(path) for path in tuned]
    x = inputs()[torch.linspace(0, 354, 100).round().long()]
    for i in range(1, 5):
        x = F.linear(x, tensors[0][f"fc{i}.weight"], tensors[0][f"fc{i}.bias"]).relu()
    change = x.double() @ (tensors[0]["fc5.weight"].double() - tensors[1]["fc5.weight"].double()).T
    squared = (change - change.mean(1, keepdim=True)).square().sum(1).mean().item()
    assert found[0].value == pytest.approx(squared / 2 / 0.25, rel=1e-5)
    assert found[0].evaluated["images"] == 100
    assert 0 < found[2].value < squared / 2
    assert found[0].tv_bounds.lemma_1 is None


def test_curvature_is_the_second_order_change_of_the_predictions(tuned, tmp_path):
    """For a change as small as float32 shows, both are half of D'GD."""
    dense, _ = tuned
    tensors = load_file(dense)
    draw = torch.Generator().manual_seed(0)
    near = {
        n: t + 1e-2 * t.std() * torch.randn(t.shape, generator=draw) if n == "fc5.weight" else t
        for n, t in tensors.items()
    }
    save_file(near, tmp_path / "near.safetensors")
    dists = "gaussian:cov=gauss-newton:damping=0,predictive,gaussian:cov=fisher:damping=0"
    found = measured(dense, tmp_path / "near.safetensors", dists, level="network", layers="fc5")
    newton, predictive, fisher = (r.value for r in found)
    assert newton == pytest.approx(predictive, rel=0.02)
    assert fisher > 0
    assert measured(dense, dense, dists, level="network", layers="fc5")[0].value == 0


def test_the_network_must_be_known(plain):
    with pytest.raises(UsageError, match="does not say which network it is: give --model NAME"):
        measured(*plain, "predictive")


@pytest.mark.parametrize(
    ("dist", "words"),
    [
        ("gaussian:cov=fisher:damping=-1", "damping is -1"),
        ("gaussian:cov=fisher:labels=mine", "labels is 'mine'"),
        ("gaussian:cov=activation:scale=0", "scale is 0"),
        ("gaussian:cov=activation:groups=2", "groups goes with cov=identity"),
    ],
)
def test_parameters_of_the_metrics_are_checked(tuned, dist, words):
    with pytest.raises(UsageError, match=words):
        measured(*tuned, dist)

"""Projections that need the network and its data, on files of trained networks."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.checkpoints import traces
from apcli.checkpoints.reading import read
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.data.datasets import load
from apcli.errors import UsageError
from apcli.projections.network import DataProjections
from apcli.records.divergence import DivergenceRecord
from apcli.stages.divergence.choices import needs_data
from apcli.stages.divergence.stage import Divergences
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train


def measured(dense: Path, pruned: Path, dist: str, **options: Any) -> list[DivergenceRecord]:
    config = DivergenceConfig(dist, **options)
    on_data = DataProjections(config, quiet) if needs_data(config) else None
    return list(Divergences(config, on_data).records(read(dense), read(pruned)))


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
    path = tuner.finetune(read(dense.with_name("net.highest-0.5-last.safetensors")))
    assert traces.path_beside(path).exists()
    assert [r.epoch for r in measured(dense, path, "predictive")] == [None]
    config = FinetuneConfig(loop=LoopConfig(epochs=0, device="cpu"))
    tuner = Finetuner(config, Outputs(tmp_path / "as-it-is.safetensors"), quiet)
    still = tuner.finetune(read(dense.with_name("net.highest-0.5-last.safetensors")))
    (file, epoch_0) = measured(dense, still, "predictive")
    assert (epoch_0.epoch, epoch_0.value) == (0, file.value)
    assert pruned.exists()


@pytest.mark.slow
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

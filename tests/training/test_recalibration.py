"""Running statistics of averaged weights: those of the average itself, wherever a run ends."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from apcli.data.datasets import Dataset, Split
from apcli.models.spec import ModelSpec
from apcli.training import loop, recalibration
from apcli.training.forward import Forward
from apcli.training.loop import Diverged, Setup, Training
from apcli.training.recalibration import settle_
from apcli.training.recipe import Recipe

SPEC = ModelSpec("net.py:net", "user", 4, (1, 4, 4), (0.5,), (0.25,))
BATCH = 16


def data(images: int = 100) -> Dataset:
    draw = torch.Generator().manual_seed(3)
    splits = []
    for count in (images, 60):
        labels = torch.randint(0, 4, (count,), generator=draw)
        pixels = torch.randint(0, 90, (count, 1, 4, 4), generator=draw) + 40 * labels.view(-1, 1, 1, 1)
        splits.append(Split(pixels.to(torch.uint8), labels))
    return Dataset("tiny", *splits, classes=4, mean=(0.5,), std=(0.25,), augment="none")


def network(norm: Callable[[int], nn.Module] = nn.BatchNorm2d, depth: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels in (1, *[6] * (depth - 1)):
        layers += [nn.Conv2d(channels, 6, 3, padding=1, bias=False), norm(6), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96, 4))


def inputs(model: nn.Sequential, images: Tensor) -> Tensor:
    """What reaches the first norm, in float64."""
    pixels = (images.double() / 255 - 0.5) / 0.25
    return nn.functional.conv2d(pixels, model[0].weight.detach().double(), padding=1)


def assert_own(model: nn.Sequential, dataset: Dataset) -> None:
    """The first norm's statistics are those of its weights over the training images."""
    expected = inputs(model, dataset.train.images)
    torch.testing.assert_close(model[1].running_mean.double(), expected.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model[1].running_var.double(), expected.var((0, 2, 3)), rtol=1e-5, atol=1e-6)


@pytest.fixture
def training(recipe: Callable[..., Recipe]) -> Callable[..., Training]:
    def make(model: nn.Sequential | None = None, *, only: list[str] | None = None, **options: Any) -> Training:
        how = recipe(**{"ema": 0.9, "batch_size": BATCH, "lr": 0.2, "epochs": 3, "sched": "constant", **options})
        return Training(model or network(), Setup(SPEC, data(), how, seed=1, only=only))

    return make


def test_an_average_is_measured_and_written_with_statistics_of_its_own(training):
    run = training()
    for entry in run.run():
        assert_own(run.evaluated.network, run.dataset)
        assert entry["test"]["loss"] > 0
    assert_own(run.evaluated.network, run.dataset)


@pytest.mark.slow
def test_statistics_of_other_weights_would_spoil_the_average(training, monkeypatch):
    """Through six norms, the network's statistics are far from its average's."""

    def last() -> dict[str, float]:
        run = training(network(depth=6), epochs=6, ema=0.95)
        list(run.run())
        found: dict[str, float] = run.history[-1]["test"]
        return found

    own = last()
    monkeypatch.setattr(loop, "settle_", lambda *_: None)
    copied = last()
    assert own["loss"] < 0.5 * copied["loss"]


def test_an_average_of_the_last_weights_alone_is_the_network_recalibrated(training):
    run = training(ema=0.0)
    list(run.run())
    settle_(Forward(run.network, SPEC), run.dataset, BATCH, 1)
    other = run.network.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in run.evaluated.network.state_dict().items())


def test_the_best_epoch_is_kept_with_its_own_statistics(training):
    run = training(epochs=8, lr=3.0, patience=2)
    list(run.run())
    assert run.epoch < 8
    assert_own(run.evaluated.network, run.dataset)


def test_what_a_lost_run_leaves_has_its_own_statistics_also_where_nothing_was_measured(training):
    run = training(epochs=3, eval_every=3)
    epochs = run.run()
    next(epochs)
    with torch.no_grad():
        run.network[0].weight.fill_(torch.nan)
    with pytest.raises(Diverged) as lost:
        next(epochs)
    model = network()
    model.load_state_dict(lost.value.good)
    assert_own(model, run.dataset)


def test_a_frozen_network_s_statistics_stay(training):
    model = network()
    with torch.no_grad():
        model[1].running_mean.fill_(0.25)
    run = training(model, only=["7.weight"])
    list(run.run())
    assert (run.evaluated.network[1].running_mean == 0.25).all()
    assert run.evaluated.network[1].num_batches_tracked == 0


def test_a_network_without_statistics_has_none_to_measure(training, monkeypatch):
    monkeypatch.setattr(recalibration, "_measure_", lambda *_: pytest.fail("nothing is to be measured"))
    run = training(network(lambda channels: nn.GroupNorm(2, channels)))
    list(run.run())
    assert run.epoch == 3


def test_no_more_images_than_a_few_thousand_are_taken_in_whole_batches(monkeypatch):
    monkeypatch.setattr(recalibration, "SETTLING_IMAGES", 40)
    forward, sizes = Forward(network(), SPEC), []
    forward.network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    settle_(forward, data(), BATCH, 1)
    assert sizes == [BATCH] * 3


def test_an_instance_norm_keeps_the_means_over_images(training):
    def norm(channels: int) -> nn.Module:
        return nn.InstanceNorm2d(channels, track_running_stats=True)

    run = training(network(norm))
    list(run.run())
    expected = inputs(run.evaluated.network, run.dataset.train.images)
    found = run.evaluated.network[1]
    torch.testing.assert_close(found.running_mean.double(), expected.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.running_var.double(), expected.var((2, 3)).mean(0), rtol=1e-5, atol=1e-6)


def test_a_spectral_norm_is_that_of_the_average(training):
    model = network()
    nn.utils.parametrizations.spectral_norm(model[-1])
    run = training(model, epochs=6)
    list(run.run())
    largest = torch.linalg.matrix_norm(run.evaluated.network[-1].weight.detach(), 2)
    torch.testing.assert_close(largest, torch.tensor(1.0), rtol=1e-4, atol=0)

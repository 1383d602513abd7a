"""Running statistics: over the whole split, and those of averaged weights over the average, wherever a run ends."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_training import CLASSES, data, network, snapshot, spec
from torch import Tensor, nn

from apcli.data.datasets import Dataset, Split
from apcli.errors import UsageError
from apcli.models.spec import ModelSpec
from apcli.training import loop, recalibration
from apcli.training.forward import Forward
from apcli.training.loop import Diverged, Setup, Training
from apcli.training.recalibration import recalibrate_, settle_
from apcli.training.recipe import Recipe

SPEC = ModelSpec("net.py:net", "user", 4, (1, 4, 4), (0.5,), (0.25,))
BATCH = 16


def four_classes(images: int = 100) -> Dataset:
    draw = torch.Generator().manual_seed(3)
    splits = []
    for count in (images, 60):
        labels = torch.randint(0, 4, (count,), generator=draw)
        pixels = torch.randint(0, 90, (count, 1, 4, 4), generator=draw) + 40 * labels.view(-1, 1, 1, 1)
        splits.append(Split(pixels.to(torch.uint8), labels))
    return Dataset("tiny", *splits, classes=4, mean=(0.5,), std=(0.25,), augment="none")


def stack(norm: Callable[[int], nn.Module] = nn.BatchNorm2d, depth: int = 2) -> nn.Sequential:
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
        return Training(model or stack(), Setup(SPEC, four_classes(), how, seed=1, only=only))

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
        run = training(stack(depth=6), epochs=6, ema=0.95)
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
    model = stack()
    model.load_state_dict(lost.value.good)
    assert_own(model, run.dataset)


def test_a_frozen_network_s_statistics_stay(training):
    model = stack()
    with torch.no_grad():
        model[1].running_mean.fill_(0.25)
    run = training(model, only=["7.weight"])
    list(run.run())
    assert (run.evaluated.network[1].running_mean == 0.25).all()
    assert run.evaluated.network[1].num_batches_tracked == 0


def test_a_network_without_statistics_has_none_to_measure(training, monkeypatch):
    monkeypatch.setattr(recalibration, "_measure_", lambda *_: pytest.fail("nothing is to be measured"))
    run = training(stack(lambda channels: nn.GroupNorm(2, channels)))
    list(run.run())
    assert run.epoch == 3


def test_no_more_images_than_a_few_thousand_are_taken_in_whole_batches(monkeypatch):
    monkeypatch.setattr(recalibration, "SETTLING_IMAGES", 40)
    forward, sizes = Forward(stack(), SPEC), []
    forward.network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    settle_(forward, four_classes(), BATCH, 1)
    assert sizes == [BATCH] * 3


def test_an_instance_norm_keeps_the_means_over_images(training):
    def norm(channels: int) -> nn.Module:
        return nn.InstanceNorm2d(channels, track_running_stats=True)

    run = training(stack(norm))
    list(run.run())
    expected = inputs(run.evaluated.network, run.dataset.train.images)
    found = run.evaluated.network[1]
    torch.testing.assert_close(found.running_mean.double(), expected.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.running_var.double(), expected.var((2, 3)).mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_spectral_norm_is_that_of_the_average(training):
    model = stack()
    nn.utils.parametrizations.spectral_norm(model[-1])
    run = training(model, epochs=6)
    list(run.run())
    largest = torch.linalg.matrix_norm(run.evaluated.network[-1].weight.detach(), 2)
    torch.testing.assert_close(largest, torch.tensor(1.0), rtol=1e-4, atol=0)


def recalibrate(model: nn.Module, dataset: Dataset | None = None, batch_size: int = 16, seed: int = 0) -> None:
    recalibrate_(Forward(model, spec()), dataset or data(), batch_size, seed)


@pytest.mark.parametrize("count", [90, 96, 81])
@pytest.mark.parametrize("seed", [0, 1])
def test_recalibrated_statistics_are_those_of_the_whole_split(count, seed):
    """Whatever the batches are, also with a last one of one image: a mean of their variances would be too small."""
    model, dataset = network(), data(train=count)
    with torch.no_grad():
        model.norm.running_mean.fill_(5)
    before = snapshot(model)
    recalibrate(model, dataset, seed=seed)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == ("running" not in name and "tracked" not in name), name
    pixels = (dataset.train.images.double() / 255 - 0.5) / 0.25
    inputs = torch.nn.functional.conv2d(pixels, model.conv.weight.detach().double(), padding=1)
    torch.testing.assert_close(model.norm.running_mean.double(), inputs.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model.norm.running_var.double(), inputs.var((0, 2, 3)), rtol=1e-5, atol=1e-6)
    assert model.norm.momentum == 0.1
    assert model.norm.num_batches_tracked == math.ceil(count / 16)
    assert not any(module.training for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_recalibration_of_inputs_far_from_zero():
    """The squares of a mean a thousand times the deviation leave the variance its digits."""
    model, dataset = network(), data()
    with torch.no_grad():
        model.conv.weight.fill_(1.0)
    model.conv.bias = nn.Parameter(torch.full((6,), 5000.0))
    recalibrate(model, dataset)
    pixels = (dataset.train.images.double() / 255 - 0.5) / 0.25
    variance = torch.nn.functional.conv2d(pixels, torch.ones(6, 1, 3, 3).double(), padding=1).var((0, 2, 3))
    torch.testing.assert_close(model.norm.running_var.double(), variance, rtol=1e-4, atol=0)


def test_recalibration_of_a_norm_that_is_used_twice_and_of_one_that_is_not_used():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.idle, self.fc = nn.BatchNorm1d(16), nn.BatchNorm1d(16), nn.Linear(16, CLASSES)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            pixels = images.flatten(1)
            return self.fc(self.norm(pixels) + self.norm(3 * pixels + 1))

    model, dataset = Twice(), data()
    with torch.no_grad():
        model.idle.running_var.fill_(7)
    recalibrate(model, dataset)
    pixels = ((dataset.train.images.double() / 255 - 0.5) / 0.25).flatten(1)
    seen = torch.cat([pixels, 3 * pixels + 1])
    torch.testing.assert_close(model.norm.running_mean.double(), seen.mean(0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model.norm.running_var.double(), seen.var(0), rtol=1e-5, atol=1e-6)
    assert (model.idle.running_var == 7).all()
    assert (model.idle.num_batches_tracked, model.norm.num_batches_tracked) == (0, 12)


def test_recalibration_does_not_depend_on_how_the_images_are_sorted():
    """Folders are read class by class; deep norms would take each class by the statistics of its own batch."""
    dataset = data(train=700)
    order = dataset.train.labels.argsort()
    by_class = replace(dataset, train=Split(dataset.train.images[order], dataset.train.labels[order]))
    found = []
    for images in (dataset, by_class):
        model = network()
        model.fc = nn.Sequential(nn.Linear(96, 8), nn.BatchNorm1d(8), nn.Linear(8, CLASSES))
        torch.manual_seed(1)
        for parameter in model.fc.parameters():
            nn.init.normal_(parameter)
        recalibrate(model, images, batch_size=100)
        found.append(snapshot(model))
    for name in ("norm.running_mean", "norm.running_var"):
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[0]["fc.1.running_var"], found[1]["fc.1.running_var"], rtol=0.1, atol=0)


def test_a_batch_too_small_for_batch_norm_is_told():
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.fc = nn.BatchNorm1d(16), nn.Linear(16, CLASSES)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.fc(self.norm(images.flatten(1)))

    model = Flat()
    with pytest.raises(UsageError, match=r"--recalibrate-bn with --batch-size 89: .*choose another size") as caught:
        recalibrate(model, batch_size=89)
    assert "\n" not in str(caught.value)
    assert not model.norm.training


def test_recalibration_leaves_dropout_off_also_inside_a_norm():
    class DroppingNorm(nn.BatchNorm2d):
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            self.drop = nn.Dropout(0.9)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.drop(super().forward(images))

    model = network()
    model.norm = DroppingNorm(6)
    model.conv = nn.Sequential(nn.Dropout(0.9), model.conv)
    state = torch.get_rng_state()
    recalibrate(model)
    assert torch.equal(torch.get_rng_state(), state)
    first = snapshot(model)
    recalibrate(model)
    assert all(torch.equal(tensor, first[name]) for name, tensor in model.state_dict().items())


def test_nothing_to_recalibrate_is_told():
    model = network()
    model.norm = nn.BatchNorm2d(6, track_running_stats=False)
    with pytest.raises(UsageError, match=r"--recalibrate-bn: net\.py:net has no batch norm with running statistics"):
        recalibrate(model)

"""The training loop on a tiny network: zeros held after every step, what may not move, and evaluation by hand."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from apcli.configs.training import LoopConfig
from apcli.data.datasets import Dataset, Split
from apcli.devices import device_of
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec
from apcli.training.evaluation import evaluate
from apcli.training.forward import Forward
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking, Ramp
from apcli.training.optim import OPTIMISERS
from apcli.training.optim.parameters import parameters_of
from apcli.training.recalibration import recalibrate_
from apcli.training.recipe import Recipe, recipe_of

CLASSES = 7
CPU = torch.device("cpu")


def data(train: int = 90, test: int = 37, classes: int = CLASSES) -> Dataset:
    draw = torch.Generator().manual_seed(3)
    splits = []
    for count in (train, test):
        labels = torch.randint(0, classes, (count,), generator=draw)
        noise = torch.randint(0, 120, (count, 1, 4, 4), generator=draw)
        images = (noise + 20 * labels.view(-1, 1, 1, 1) % 136).to(torch.uint8)
        splits.append(Split(images, labels))
    return Dataset("tiny", *splits, classes=classes, mean=(0.5,), std=(0.25,), augment="none")


def spec(classes: int = CLASSES, name: str = "net.py:net") -> ModelSpec:
    return ModelSpec(name, "user" if ":" in name else "apcli", classes, (1, 4, 4), (0.5,), (0.25,))


class Net(nn.Module):
    """Convolution, batch norm, dropout, linear: one of each thing that could move on its own."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1, bias=False)  # a bias would be undone by the norm
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(96, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.drop(self.norm(self.conv(images)).relu().flatten(1)))


def network(seed: int = 0, classes: int = CLASSES) -> Net:
    torch.manual_seed(seed)
    return Net(classes)


def recipe(classes: int = CLASSES, **options: Any) -> Recipe:
    return recipe_of(LoopConfig(**{"epochs": 2, "batch_size": 16, "lr": 0.05, **options}), spec(classes), data(), CPU)


def run(
    model: nn.Module,
    how: Recipe,
    dataset: Dataset | None = None,
    seed: int = 0,
    removed: dict[str, torch.Tensor] | None = None,
    only: list[str] | None = None,
) -> Iterator[Any]:
    masking = Masking(parameters_of(model), removed or {})
    return Training(model, Setup(spec(), dataset or data(), how, seed, only), masking=masking).run()


def snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def removed_of(model: Net) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    masks = {f"{n}.weight": torch.rand(getattr(model, n).weight.shape, generator=draw) < 0.6 for n in ("conv", "fc")}
    with torch.no_grad():
        for name, mask in masks.items():
            parameters_of(model)[name][mask] = 0
    return masks


@pytest.mark.parametrize("opt", OPTIMISERS.names)
def test_zeros_are_held_after_every_step_whatever_the_optimiser_s_state_holds(opt):
    """Checked at each forward pass, so after each step; without the mask the same weights would come back."""
    options = {"opt": opt, "weight_decay": 0.01, "lr": 0.01}
    free, model = network(), network()
    masks = removed_of(free)
    removed_of(model)
    list(run(free, recipe(**options)))
    assert all((free.state_dict()[name][mask] != 0).sum() > 0.5 * mask.sum() for name, mask in masks.items())

    steps = []

    def look(module: nn.Module, _: Any) -> None:
        parameters = parameters_of(module)
        assert all(not parameters[name][mask].any() for name, mask in masks.items())
        steps.append(module.training)

    model.register_forward_pre_hook(look)
    before = snapshot(model)
    for _ in run(model, recipe(**options), removed=masks):
        for name, mask in masks.items():
            weight = model.state_dict()[name]
            assert not weight[mask].any()
            assert not weight[mask].signbit().any()
            assert (weight[~mask] != before[name][~mask]).float().mean() > 0.9
    assert sum(steps) == 2 * 6  # batches of 16 of 90 samples


def test_momentum_of_the_dense_weight_does_not_revive_it():
    """A weight that is removed on the way leaves its momentum behind, which would move it for some steps more."""
    model = network()
    removed = {"fc.weight": torch.zeros_like(model.fc.weight, dtype=torch.bool)}
    masking = Masking(parameters_of(model), removed, [Ramp(("fc.weight",), {5: 400})])
    seen = []

    def momenta(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        for weight in optimiser.param_groups[0]["params"]:
            if weight.shape == model.fc.weight.shape:
                seen.append(optimiser.state[weight]["momentum_buffer"][removed["fc.weight"]].abs())

    hook = register_optimizer_step_post_hook(momenta)
    try:
        list(Training(model, Setup(spec(), data(), recipe(momentum=0.9, weight_decay=0.1), 0), masking=masking).run())
    finally:
        hook.remove()
    assert [len(found) for found in seen] == [0] * 5 + [400] * 7
    assert all(found.count_nonzero() > 300 for found in seen[5:])
    assert not model.fc.weight[removed["fc.weight"]].any()


@pytest.mark.parametrize("opt", ["sgd", "adam"])
@pytest.mark.parametrize("only", [["fc.weight"], ["conv.weight"], ["conv.weight", "fc.weight"]])
def test_only_the_named_parameters_move(opt, only):
    model = network()
    list(run(model, recipe(), removed={}))  # statistics that are not those of a new network
    before = snapshot(model)
    list(run(model, recipe(opt=opt, weight_decay=0.1), only=only))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name not in only), name


def test_everything_moves_otherwise_also_after_a_frozen_run():
    model = network()
    list(run(model, recipe(epochs=1), only=["fc.weight"]))
    before = snapshot(model)
    list(run(model, recipe(epochs=1)))
    assert not any(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def by_hand(model: nn.Module, split: Split, classes: int = CLASSES) -> dict[str, float | None]:
    """One pass over the whole split in float64, sample by sample."""
    model = model.double().eval()
    loss = first = among_five = 0.0
    with torch.no_grad():
        logits = model((split.images.double() / 255 - 0.5) / 0.25)
    for scores, label in zip(logits.tolist(), split.labels.tolist(), strict=True):
        top = max(scores)
        loss -= scores[label] - top - math.log(sum(math.exp(score - top) for score in scores))
        rank = sum(score > scores[label] for score in scores)
        first += rank == 0
        among_five += rank < 5
    n = len(split)
    return {"loss": loss / n, "accuracy": 100 * first / n, "top5": 100 * among_five / n if classes >= 5 else None}


@pytest.mark.parametrize("count", [1, 63, 64, 65, 500])
def test_evaluation_is_that_of_the_whole_split(count):
    """Also when the last batch is smaller: a mean of means would be off."""
    model, dataset = network(), data(train=count, test=37)
    list(run(model, recipe(epochs=1)))
    model.train()
    before = snapshot(model)
    found = evaluate(Forward(model, spec()), dataset, 16)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for split in ("train", "test"):
        expected = by_hand(model, getattr(dataset, split))
        model.float()
        assert found[split]["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert found[split]["accuracy"] == pytest.approx(expected["accuracy"], rel=1e-12)
        assert found[split]["top5"] == pytest.approx(expected["top5"], rel=1e-12)


def test_among_five_of_less_than_five_classes_is_not_known():
    model, dataset = network(classes=4), data(classes=4)
    found = evaluate(Forward(model, spec(4)), dataset, 16)
    assert found["test"]["top5"] is None
    assert found["test"]["accuracy"] == pytest.approx(by_hand(model, dataset.test, 4)["accuracy"])
    five = evaluate(Forward(network(classes=5), spec(5)), data(classes=5), 16)
    assert five["test"]["top5"] == 100.0


def test_history_says_what_happened():
    model, how = network(), recipe(epochs=5, eval_every=2, sched="linear")
    entries = list(run(model, how))
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4, 5]
    assert ["test" in entry for entry in entries] == [False, True, False, True, True]
    assert [entry["lr"] for entry in entries] == pytest.approx([0.05, 0.04, 0.03, 0.02, 0.01])
    assert {split: entries[-1][split] for split in ("train", "test")} == evaluate(Forward(model, spec()), data(), 16)
    assert all(entry["running"]["loss"] > 0 for entry in entries)
    assert list(run(model, recipe(epochs=0))) == []


def test_a_network_learns():
    entries = list(run(network(), recipe(epochs=8, batch_size=8)))
    assert entries[-1]["train"]["loss"] < 0.5 * entries[0]["running"]["loss"]
    assert entries[-1]["train"]["accuracy"] > 60


def test_the_seed_decides_the_weights():
    def weights(seed: int) -> dict[str, torch.Tensor]:
        model = network()
        list(run(model, recipe(augment="crop:padding=1,flip"), seed=seed))
        return snapshot(model)

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


@pytest.mark.parametrize("opt", ["sgd", "adam"])
def test_a_loss_that_is_not_finite_stops_the_run(opt):
    with pytest.raises(ApcliError, match=r"no longer finite in epoch 1, step 2 of 6: try a smaller --lr than 1e\+30"):
        list(run(network(), recipe(lr=1e30, opt=opt)))


def test_a_network_spoilt_by_its_last_step_has_no_loss():
    """One step an epoch: its own loss was taken before the step that spoilt the weights."""
    model = network()
    with suppress(ApcliError):
        (entry,) = run(model, recipe(epochs=1, lr=1e38, batch_size=1000, weight_decay=1e3))
        assert entry["test"]["loss"] is None
    assert not model.fc.weight.isfinite().all()


def test_an_output_that_is_no_logits_is_named():
    for outputs in (CLASSES - 1, CLASSES + 1):
        with pytest.raises(
            ApcliError, match=rf"output of shape \(\d+, {outputs}\): expected logits, \(\d+, {CLASSES}\)"
        ):
            evaluate(Forward(network(classes=outputs), spec()), data(), 16)


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


def test_a_last_batch_of_one_image_is_a_step_like_any_other_unless_batch_norm_cannot_take_it():
    model = network()
    (entry,) = run(model, recipe(epochs=1, batch_size=89))
    assert entry["running"]["loss"] > 0
    flat = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, CLASSES))
    with pytest.raises(
        UsageError, match=r"--batch-size 89: Expected more than 1 value per channel .*: choose another size"
    ):
        list(run(flat, recipe(epochs=1, batch_size=89)))


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


def test_auxiliary_outputs_are_left_out():
    model = network()
    plain = evaluate(Forward(model, spec()), data(), 16)
    inside = model.forward
    model.forward = lambda images: (inside(images), inside(images) * 0)  # type: ignore[return-value]
    assert evaluate(Forward(model, spec()), data(), 16) == plain


def test_tied_weights_are_held_under_each_name():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, CLASSES)
            self.b.weight = self.a.weight

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.fc(self.b(self.a(images.flatten(1)).relu()).relu())

    torch.manual_seed(0)
    model = Tied()
    mask = torch.arange(256).reshape(16, 16) % 3 == 0
    list(run(model, recipe(), removed={"b.weight": mask}, only=["b.weight", "fc.weight"]))
    assert torch.equal(model.a.weight, model.b.weight)
    assert not model.a.weight[mask].any()
    assert set(parameters_of(model)) >= {"a.weight", "b.weight"}


def test_recipe_decides_what_the_command_left_open():
    slow, fast = (
        recipe_of(LoopConfig(), spec(name="fc5"), data(), CPU),
        recipe_of(LoopConfig(), spec(name="resnet20"), data(), CPU),
    )
    assert (slow.lr, fast.lr, fast.momentum, fast.augment) == (0.01, 0.1, 0.9, ())
    assert recipe(momentum=0.0).momentum == 0.0
    assert recipe(opt="adam").momentum is None
    assert recipe(opt="rmsprop").momentum == 0.9
    settings = recipe(opt="sgd:nesterov=1", sched="step:gamma=0.5", augment="crop:padding=1,flip").settings()
    assert settings == {
        "epochs": 2,
        "batch_size": 16,
        "opt": "sgd:nesterov=1",
        "lr": 0.05,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "decay": "all",
        "clip_grad": None,
        "sched": "step:gamma=0.5",
        "warmup_epochs": 0.0,
        "augment": "crop:padding=1,flip",
        "mixup": 0.0,
        "cutmix": 0.0,
        "label_smoothing": 0.0,
        "distill": None,
        "temperature": None,
        "ema": None,
        "patience": None,
        "validation": 0.0,
        "eval_every": 1,
        "amp": False,
        "compile": False,
        "cuda_graph": True,
    }
    assert recipe_of(LoopConfig(), spec(), data(), torch.device("cuda")).amp
    assert not recipe_of(LoopConfig(amp=False), spec(), data(), torch.device("cuda")).amp


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"opt": "sgdd"}, "unknown optimiser 'sgdd': did you mean 'sgd'"),
        ({"sched": "wave"}, "unknown schedule 'wave'"),
        ({"augment": "spin"}, "unknown augmentation 'spin'"),
        ({"opt": "adam", "momentum": 0.5}, "--momentum is 0.5 but adam has none"),
    ],
)
def test_wrong_recipes(options, words):
    with pytest.raises(UsageError, match=words):
        recipe(**options)


@pytest.mark.parametrize("options", [{"opt": "sgd:nesterov=1", "momentum": 0.0}])
def test_what_torch_refuses_is_told_with_the_option(options):
    with pytest.raises(UsageError, match=f"--opt {options['opt']} with --lr 0.05: "):
        list(run(network(), recipe(**options)))


@pytest.mark.parametrize("device", ["nowhere", "cuda:99", "", "meta:x"])
def test_devices_that_are_not_there(device):
    with pytest.raises(UsageError, match=f"--device {device} cannot be used .*expected auto, cpu, cuda"):
        device_of(device)
    assert device_of("cpu").type == "cpu"

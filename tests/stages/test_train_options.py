"""What the training options do to a run and to what it leaves, from the configuration to the file."""

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from short_trainings import CPU, quiet, trained, tuned
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils._python_dispatch import TorchDispatchMode

from apcli.checkpoints.promises import Json
from apcli.checkpoints.reading import read
from apcli.cli.finetune import finetune as finetune_command
from apcli.cli.options.loop import LOOP
from apcli.cli.train import train as train_command
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, TrainConfig
from apcli.data.datasets import Samples, load
from apcli.errors import UsageError
from apcli.models.build import outline
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.training.loop import Training

# An option that changes the result, and what the lineage then says; the rest is in the test below.
CHANGES = {
    "epochs": 1, "batch_size": 200, "opt": "adam", "lr": 0.02, "momentum": 0.5, "weight_decay": 0.01, "clip_grad": 0.1,
    "layer_decay": 0.5, "sched": "constant", "warmup_epochs": 1.0, "augment": "crop:padding=2", "mixup": 0.5,
    "cutmix": 0.5, "label_smoothing": 0.2, "ema": 0.5, "validation": 0.3, "amp": True,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("option", CHANGES)
def test_each_option_changes_the_weights_and_is_in_the_lineage(dense, tmp_path, option):
    path = trained(tmp_path, **{"lr": 0.05, option: CHANGES[option]})
    before, after = load_file(dense), load_file(path)
    assert not any(torch.equal(before[name], after[name]) for name in before if name.endswith("weight"))
    (settings,) = read(path).lineage.settings
    assert settings.options[option] == CHANGES[option]


def test_every_field_is_an_option_of_both_commands_and_none_is_untested():
    """What is no setting: where it runs, how often it looks or saves, and what is tested elsewhere by its effect."""
    elsewhere = {"decay", "teacher", "distill", "temperature", "patience", "eval_every", "compile", "cuda_graph"}
    elsewhere |= {"images", "split", "keep", "accumulate", "drop_path", "min_lr", "l1", "l1_form"}
    elsewhere |= {"device", "deterministic", "checkpoint_every", "resume", "log_dir", "log_interval"}
    names = {field.name for field in fields(LoopConfig)}
    assert names == set(CHANGES) | elsewhere == {name for group in LOOP.values() for name in group} - {"eval_only"}
    for command, defaults in ((train_command, TrainConfig.loop), (finetune_command, FinetuneConfig.loop)):
        parameters = inspect.signature(command).parameters
        assert {name: parameters[name].default for name in names} == {name: getattr(defaults, name) for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["proximal", "subgradient"])
def test_zeros_of_an_l1_penalty_are_counted_and_stay(tmp_path, caplog, form):
    caplog.set_level("INFO", "apcli")
    path = trained(tmp_path, l1=0.05, l1_form=form, ema=0.5)
    entries = read(path).entries
    zeros = sum(entry.zeros for entry in entries.values() if len(entry.shape) > 1)
    size = sum(entry.size for entry in entries.values() if len(entry.shape) > 1)
    words = f": {zeros:,} of {size:,} weights ({100 * zeros / size:.2f} %) are exactly zero, with --l1 0.05"
    assert any(message.endswith(words) for message in caplog.messages)
    assert (zeros > 0.1 * size) == (form == "proximal")
    (settings,) = read(path).lineage.settings
    assert (settings.options["l1"], settings.options["l1_form"]) == (0.05, form)
    tuned_path = tuned(path, tmp_path / "tuned", l1=0.05)
    for name, entry in read(tuned_path).entries.items():
        assert entry.zeros >= entries[name].zeros, name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decay": "some"}, "--decay is 'some': expected all or weights"),
        ({"clip_grad": 0.0}, "--clip-grad is 0.0: expected a positive number"),
        ({"warmup_epochs": -1.0}, r"--warmup-epochs is -1.0: expected 0 \(none\) or more"),
        ({"mixup": float("nan")}, "--mixup is nan"),
        ({"label_smoothing": 1.0}, r"--label-smoothing is 1: expected the share of a label"),
        ({"ema": 1.0}, r"--ema is 1.0: expected a decay in \[0, 1\)"),
        ({"validation": 1.0}, "--validation is 1: expected a share of the training images"),
        ({"patience": 0}, "--patience is 0: expected at least 1"),
        ({"teacher": "a", "distill": 2.0}, "--distill is 2: expected .* in \\[0, 1\\]"),
        ({"temperature": 2.0}, "--temperature is 2.0: expected to go with --teacher"),
        ({"checkpoint_every": float("inf")}, "--checkpoint-every is inf"),
    ],
)
def test_values_out_of_range(options, words):
    with pytest.raises(UsageError, match=words):
        LoopConfig(**options)


def images_of(split: Samples) -> torch.Tensor:
    ((images, _),) = split.read([torch.arange(len(split))])
    return images


def test_validation_images_are_held_out_alike_in_every_run_and_never_of_the_test_split():
    digits = load("digits", Path())
    parts = [digits.hold_out(0.2) for _ in range(2)]
    for part in parts:
        assert (len(part.train), len(part.validation), part.test) == (1154, 288, digits.test)
    assert torch.equal(*(images_of(part.validation) for part in parts))
    whole = [image.numpy().tobytes() for image in digits.train.images]
    split = [image.numpy().tobytes() for half in (parts[0].train, parts[0].validation) for image in images_of(half)]
    assert sorted(whole) == sorted(split)
    assert digits.hold_out(0) is digits
    for share in (1e-4, 0.9999):
        with pytest.raises(UsageError, match=r"--validation .* of 1442 images leaves one split empty"):
            digits.hold_out(share)


def test_patience_stops_and_keeps_the_best_weights(tmp_path, monkeypatch):
    """By a scripted loss: 3, 1, 2, 2 ends after the fourth epoch with the weights of the second."""
    close, losses, kept = Training._close_epoch, iter([3.0, 1.0, 2.0, 2.0, 0.0]), []

    def scripted(training: Training) -> Json:
        loss = next(losses)
        monkeypatch.setattr("apcli.training.loop.evaluate", lambda *_: made(loss))
        entry = close(training)
        kept.append(training.evaluated.network.fc4.weight.detach().clone())
        return entry

    def made(loss: float) -> dict[str, Any]:
        return {split: {"loss": loss, "accuracy": 50.0, "top5": 90.0} for split in ("train", "test", "validation")}

    monkeypatch.setattr(Training, "_close_epoch", scripted)
    path = trained(tmp_path, epochs=9, patience=2, validation=0.2)
    lineage = read(path).lineage
    assert [entry["validation"]["loss"] for entry in lineage.history] == [3.0, 1.0, 2.0, 2.0]
    assert lineage.metrics["validation"]["loss"] == 1.0
    assert torch.equal(load_file(path)["fc4.weight"], kept[1])


class Backward(TorchDispatchMode):
    """The shapes of the matrix products that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if "aten.mm" in str(func):
            self.shapes.append(tuple(result.shape))
        return result


def test_no_gradient_is_computed_that_is_thrown_away(pruned, tmp_path, monkeypatch):
    """fc5 learns with fc4: a step needs both weights' gradients, and that of fc4's outputs alone."""
    step, seen = Training._step, []

    def watched(training: Training, *batch: torch.Tensor) -> None:
        with Backward() as products:
            step(training, *batch)
        seen.append(products.shapes)
        assert {name for name, p in training.network.named_parameters() if p.grad is not None} == learnt

    learnt = {"fc4.weight", "fc5.weight"}
    monkeypatch.setattr(Training, "_step", watched)
    tuned(pruned, tmp_path, update="pruned", epochs=1)
    batches = [300, 300, 300, 300, 242]
    assert [sorted(shapes) for shapes in seen] == [sorted([(10, 40), (40, 60), (size, 40)]) for size in batches]


def test_tensorboard_logs_are_read_back(tmp_path):
    path = trained(tmp_path / "run", epochs=3, log_dir=str(tmp_path / "logs"))
    (folder,) = (tmp_path / "logs").iterdir()
    assert folder.name == path.stem
    events = EventAccumulator(str(folder))
    events.Reload()
    history = read(path).lineage.history
    for tag, values in {
        "lr": [entry["lr"] for entry in history],
        "test/accuracy": [entry["test"]["accuracy"] for entry in history],
        "running/loss": [entry["running"]["loss"] for entry in history],
    }.items():
        scalars = events.Scalars(tag)
        assert [scalar.step for scalar in scalars] == [1, 2, 3]
        assert [scalar.value for scalar in scalars] == pytest.approx(values, rel=1e-6)


def test_many_checkpoints_are_as_one_alone_and_built_once(pruned, dense, tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr("apcli.networks.outline", lambda *a, **k: built.append(a) or outline(*a, **k))
    (other,) = prune(read(dense), PruneConfig((0.7,), layers="fc5"), Outputs(tmp_path))
    tuner = Finetuner(FinetuneConfig(DataConfig(), LoopConfig(**CPU, epochs=1)), Outputs(tmp_path / "both"), quiet)
    together = [tuner.finetune(read(source)).read_bytes() for source in (pruned, other)]
    assert len(built) == 1
    alone = [tuned(source, tmp_path / "alone", epochs=1).read_bytes() for source in (pruned, other)]
    assert together == alone

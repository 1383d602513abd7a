"""Less computing for a study: a part of the training images, one split evaluated, and the best epoch's weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from short_trainings import quiet, trained, tuned

import apcli
from apcli.checkpoints.reading import read
from apcli.cli.texts.checkpoint import to_text
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import UsageError
from apcli.models.drop_path import drops
from apcli.networks import Networks
from apcli.stages.describe.description import describe
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train
from apcli.training.loop import Training

PART = {"name": "digits", "classes": 10, "images": [1442, 355], "part": 60}


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("dense"), images=60, epochs=1)


@pytest.fixture(scope="module")
def pruned(dense, tmp_path_factory):
    (path,) = prune(read(dense), PruneConfig((0.5,), layers="fc4,fc5"), Outputs(tmp_path_factory.mktemp("pruned")))
    return path


def images_of(source: Path, data: str | None = None, images: int | None = None) -> int:
    networks = Networks(DataConfig(data), None, torch.device("cpu"), quiet, images=images)
    return len(networks.spec_and_data(read(source))[1].train)


def test_a_part_is_in_the_lineage_and_goes_on_in_every_later_stage(dense, pruned, tmp_path):
    assert read(dense).lineage.data == read(pruned).lineage.data == PART
    assert "data         digits, 60 of its training images, seed 0" in to_text(describe(read(dense)))
    assert [images_of(pruned, *how) for how in ((), ("digits",), (None, 90), (None, 0))] == [60, 60, 90, 1442]
    path = tuned(pruned, tmp_path, epochs=1)
    assert read(path).lineage.data == PART
    assert read(path).lineage.dense_metrics == read(dense).lineage.metrics  # on the same part
    whole = read(tuned(pruned, tmp_path / "whole", epochs=0, images=0)).lineage
    assert "part" not in whole.data
    assert whole.dense_metrics["train"] != read(dense).lineage.metrics["train"]
    assert whole.dense_metrics["test"] == read(dense).lineage.metrics["test"]


def test_runs_of_several_seeds_see_one_part(dense, tmp_path):
    seen = []
    step = Training._step

    def look(training: Training, images: torch.Tensor, *rest: torch.Tensor) -> None:
        seen.append({image.numpy().tobytes() for image in images})
        step(training, images, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_step", look)
        paths = [trained(tmp_path / str(seed), images=60, epochs=1, seed=seed, augment="none") for seed in (1, 2)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 60
    first, second = (load_file(path) for path in paths)
    assert not torch.equal(first["fc1.weight"], second["fc1.weight"])


@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.parametrize(("split", "other"), [("test", "train"), ("train", "test")])
def test_one_split_is_evaluated_and_the_other_is_not_known(pruned, dense, tmp_path, split, other, epochs):
    alone = trained(tmp_path / "dense", images=60, epochs=epochs, split=split)
    lineage = read(alone).lineage
    assert set(lineage.metrics) == {split}
    if epochs:
        assert lineage.metrics[split] == read(dense).lineage.metrics[split]
        assert set(lineage.history[0]) == {"epoch", "lr", "running", split}
    path = tuned(pruned, tmp_path, epochs=epochs, split=split)
    lineage = read(path).lineage
    assert set(lineage.metrics) == set(lineage.dense_metrics) == {split}
    for entry in lineage.history:
        assert entry["pd"][other] is None
        assert entry["pd"][split]["loss"] >= 0
    record = next(apcli.divergence(path, level="network")).to_json()
    assert (record["pd"][other], record["metrics"]["pruned"][other]) == (None, None)
    assert record["metrics"]["pruned"][split]["loss"] == lineage.metrics[split]["loss"]


@pytest.mark.slow
def test_blocks_are_left_out_in_training_and_in_fine_tuning(tmp_path, monkeypatch):
    """By a network of timm's; the file is the same network without it."""
    step, seen = Training._step, []

    def look(training: Training, *batch: torch.Tensor) -> None:
        seen.append(drops(training.network))
        step(training, *batch)

    monkeypatch.setattr(Training, "_step", look)
    loop = LoopConfig(epochs=1, batch_size=10, images=10, split="train", device="cpu", drop_path=0.3)
    config = TrainConfig(ModelConfig("timm:resnet10t", input_size=32), loop=loop)
    (path,) = train(config, Outputs(tmp_path), quiet)
    tuned_path = Finetuner(FinetuneConfig(loop=loop), Outputs(), quiet).finetune(read(path))
    assert read(tuned_path).lineage.last_settings.options["drop_path"] == 0.3
    Finetuner(FinetuneConfig(loop=replace(loop, drop_path=None)), Outputs(tmp_path / "plain"), quiet).finetune(
        read(path)
    )
    assert seen == [True, True, False]
    with pytest.raises(UsageError, match=r"--drop-path 0\.3: fc5 cannot leave out blocks"):
        trained(tmp_path, drop_path=0.3)


@pytest.mark.parametrize(("keep", "kept"), [("best", 1), ("last", 2), (None, 2)])
def test_the_weights_of_the_best_epoch_by_validation_are_kept_if_so_asked(tmp_path, monkeypatch, keep, kept):
    """By a scripted loss on the images held out; what the training images say has no say."""
    close, losses, weights = Training._close_epoch, iter([3.0, 1.0, 2.0]), []

    def made(*_: Any) -> dict[str, Any]:
        loss = next(losses)
        return {"validation": {"loss": loss, "accuracy": 50.0}, "test": {"loss": 9 - loss, "accuracy": 50.0}}

    def scripted(training: Training) -> Any:
        entry = close(training)
        weights.append(training.evaluated.network.fc4.weight.detach().clone())
        return entry

    monkeypatch.setattr("apcli.training.loop.evaluate", made)
    monkeypatch.setattr(Training, "_close_epoch", scripted)
    path = trained(tmp_path, epochs=3, keep=keep, validation=0.2, split="test")
    lineage = read(path).lineage
    assert len(lineage.history) == 3
    assert lineage.metrics["validation"]["loss"] == [3.0, 1.0, 2.0][kept]
    assert lineage.last_settings.options.get("keep", "last") == (keep or "last")
    assert torch.equal(load_file(path)["fc4.weight"], weights[kept])


def test_a_file_without_pruned_layers_is_told(dense, pruned, tmp_path, caplog):
    caplog.set_level("INFO", "apcli")
    said = f"{read(dense).label} has no pruned layers: fine-tuning holds no zeros"
    for source, times in ((dense, 1), (pruned, 0)):
        caplog.clear()
        tuned(source, tmp_path / str(times), epochs=0)
        assert caplog.messages.count(said) == times
    caplog.clear()
    loop = LoopConfig(epochs=1, device="cpu", batch_size=300)
    Finetuner(FinetuneConfig(loop=loop, sparsity=0.5), Outputs(tmp_path), quiet).finetune(read(dense))
    assert not any("no pruned layers" in message for message in caplog.messages)

"""What the stages that train share: teachers, and what is left of a run that is lost."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from short_trainings import CPU, quiet, trained, tuned
from torch.nn.functional import kl_div

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.configs.training import FinetuneConfig, LoopConfig
from apcli.data.datasets import load
from apcli.errors import ApcliError, UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.training_runs import check_outputs, teacher_of
from apcli.training.loop import Training


@pytest.mark.slow
def test_a_teacher_pulls_the_network_towards_it(dense, pruned, tmp_path):
    alone = tuned(pruned, tmp_path / "alone", lr=0.01)
    taught = tuned(pruned, tmp_path / "taught", lr=0.01, teacher="dense", distill=1.0)
    by_name = tuned(pruned, tmp_path / "file", lr=0.01, teacher=str(dense), distill=1.0)
    assert load_file(by_name).keys() == load_file(taught).keys()
    assert all(torch.equal(load_file(by_name)[name], tensor) for name, tensor in load_file(taught).items())
    images = load("digits", Path()).test.images.float().div(255)

    def logits(path: Path) -> torch.Tensor:
        spec = ModelSpec.from_json(read(path).lineage.model)
        network = build(spec).eval()
        network.load_state_dict(load_file(path))
        with torch.no_grad():
            return network((images - spec.mean[0]) / spec.std[0]).log_softmax(1)

    theirs = logits(dense)
    distance = {path: kl_div(logits(path), theirs, reduction="sum", log_target=True) for path in (alone, taught)}
    assert distance[taught] < distance[alone]
    settings = read(taught).lineage.settings[-1].options
    assert (settings["teacher"], settings["distill"], settings["temperature"]) == (read(dense).sha256, 1.0, 4.0)
    from_scratch = trained(tmp_path / "scratch", teacher=str(dense))
    assert read(from_scratch).lineage.settings[0].options["teacher"] == read(dense).sha256


def test_teachers_that_cannot_be(dense, tmp_path):
    with pytest.raises(UsageError, match="--teacher dense: what is trained here has no dense ancestor"):
        trained(tmp_path, teacher="dense")
    with pytest.raises(UsageError, match="no file"):
        trained(tmp_path, teacher=str(tmp_path / "gone.safetensors"))
    with pytest.raises(UsageError, match="expects a different input or predicts different classes than resnet20"):
        trained(tmp_path, model="resnet20", teacher=str(dense))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("growing", [False, True])
def test_what_is_left_of_a_lost_run(dense, pruned, tmp_path, monkeypatch, growing):
    """The second epoch's second step is lost; the file has the weights of the first epoch's end."""
    step, count, good = Training._step, [], {}

    def lost(training: Training, images: torch.Tensor, *rest: torch.Tensor) -> None:
        count.append(1)
        if len(count) == 6:
            good.update({name: tensor.clone() for name, tensor in training.network.state_dict().items()})
        step(training, images * float("nan") if len(count) == 7 else images, *rest)

    monkeypatch.setattr(Training, "_step", lost)
    words = r"no longer finite in epoch 2, step 2 of 5: try a smaller --lr than 0\.\d+, or --clip-grad 1; the weights "
    config = FinetuneConfig(loop=LoopConfig(**CPU, epochs=3), sparsity=0.8, schedule="cubic:every=2", scope="global")
    tuner = Finetuner(config, Outputs(tmp_path), quiet)
    with pytest.raises(ApcliError, match=words + r"after epoch 1 are kept in .*\.last-good\.safetensors$"):
        _ = tuner.finetune(read(pruned)) if growing else trained(tmp_path, epochs=3)
    (path,) = tmp_path.iterdir()
    kept = load_file(path)
    assert all(torch.equal(kept[name], tensor) for name, tensor in good.items())
    lineage = read(path).lineage
    assert [entry["epoch"] for entry in lineage.history] == ([0, 1] if growing else [1])
    assert lineage.metrics["test"] == lineage.history[-1]["test"]
    if growing:
        monkeypatch.setattr(Training, "_step", step)
        assert {t: promise.zeros for t, promise in lineage.pruned.items()} == zeros_of(kept)
        assert sum(zeros_of(kept).values()) > sum(zeros_of(load_file(pruned)).values())
        on = load_file(tuned(path, tmp_path / "on", epochs=1))
        assert all((on[tensor][kept[tensor] == 0] == 0).all() for tensor in zeros_of(kept))


def zeros_of(tensors: dict[str, torch.Tensor]) -> dict[str, int]:
    """By weight; the digits' networks have two or more dimensions in weights alone."""
    counts = {name: int((tensor == 0).sum()) for name, tensor in tensors.items() if tensor.dim() > 1}
    return {name: count for name, count in counts.items() if count}


def test_networks_side_by_side_have_the_same_outputs_where_both_are_known():
    def checkpoint(*classes: str) -> Checkpoint:
        return Checkpoint(Path("net.safetensors"), Path(), {}, Lineage.EMPTY.then("train", {}, classes=classes))

    for theirs, ours in ((("a", "b"), ("a", "b")), ((), ("a",)), (("a",), ())):
        check_outputs(checkpoint(*theirs), ours)
    with pytest.raises(UsageError, match=r"net\.safetensors .*b and a.* a and b"):
        check_outputs(checkpoint("b", "a"), ("a", "b"))


def test_without_a_teacher_there_is_none():
    networks: Any = None  # which is not asked for one
    assert teacher_of(FinetuneConfig(), networks, networks, ()) == (None, None)

"""The train stage on the digits: what a file says against what its weights do, seeds, resuming."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link
from apcli.checkpoints.reading import read
from apcli.configs.shared import DataConfig
from apcli.configs.training import LoopConfig, ModelConfig, TrainConfig
from apcli.data.datasets import load
from apcli.errors import ApcliError, UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.progress import Progress
from apcli.stages.outputs import Outputs
from apcli.stages.train import train
from apcli.training.evaluation import evaluate
from apcli.training.forward import Forward

DIGITS = load("digits", Path())
BATCH = 128


def run(target: Path, model: str | ModelConfig = "fc5", overwrite: bool = False, **options: Any) -> list[Path]:
    loop = LoopConfig(**{"epochs": 1, "batch_size": BATCH, "device": "cpu", **options.pop("loop", {})})
    config = TrainConfig(ModelConfig(model) if isinstance(model, str) else model, loop=loop, **options)
    return list(train(config, Outputs(target, overwrite), Progress()))


def network(path: Path) -> tuple[torch.nn.Module, ModelSpec]:
    spec = ModelSpec.from_json(read(path).lineage.model)
    model = build(spec)
    model.load_state_dict(load_file(path), strict=True)
    return model, spec


def test_the_file_is_the_network_that_its_lineage_describes(tmp_path):
    (path,) = run(tmp_path, loop={"epochs": 2, "weight_decay": 1e-4, "sched": "linear", "augment": "crop:padding=1"})
    assert path == tmp_path / "fc5-digits.safetensors"
    lineage = read(path).lineage
    model, spec = network(path)
    assert lineage.metrics == evaluate(Forward(model, spec), DIGITS, BATCH)
    assert lineage.metrics["test"]["accuracy"] > 25  # by chance: 10
    assert [step["epoch"] for step in lineage.history] == [1, 2]
    assert [step["lr"] for step in lineage.history] == [0.01, 0.005]
    assert lineage.history[-1]["test"] == lineage.metrics["test"]
    assert lineage.history[-1]["train"] == lineage.metrics["train"]
    (settings,) = lineage.settings
    assert settings.stage == "train"
    assert settings.options == {
        "epochs": 2, "batch_size": BATCH, "opt": "sgd", "lr": 0.01, "momentum": 0.9,
        "weight_decay": 1e-4, "decay": "all", "clip_grad": None, "sched": "linear", "warmup_epochs": 0.0,
        "augment": "crop:padding=1", "mixup": 0.0, "cutmix": 0.0, "label_smoothing": 0.0, "teacher": None,
        "distill": None, "temperature": None, "ema": None, "validation": 0.0, "patience": None, "eval_every": 1,
        "amp": False, "compile": False, "cuda_graph": True, "pretrained": False, "rename": [], "code": None,
    }  # fmt: skip
    assert lineage.model["last"] == "fc5.weight"
    assert lineage.data == {"name": "digits", "classes": 10, "images": [1442, 355]}
    assert (lineage.seed, lineage.pruned, lineage.parent, lineage.dense) == (0, {}, None, None)
    assert str(tmp_path).encode() not in path.read_bytes()


def test_same_bytes_twice_and_a_file_for_each_seed(tmp_path):
    first, second = run(tmp_path / "a", seeds=(0, 7))
    assert [first.name, second.name] == ["fc5-digits.seed0.safetensors", "fc5-digits.seed7.safetensors"]
    (again,) = run(tmp_path / "b", seeds=(7,))
    assert again.read_bytes() == second.read_bytes()
    weights = [load_file(path) for path in (first, second)]
    assert not any(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [read(path).lineage.seed for path in (first, second)] == [0, 7]


def test_the_seed_decides_the_initial_weights(tmp_path):
    paths = [
        *run(tmp_path / "a", loop={"epochs": 0}, seeds=(1, 2)),
        *run(tmp_path / "b", loop={"epochs": 0}, seeds=(1,)),
    ]
    one, two, again = (load_file(path)["fc1.weight"] for path in paths)
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    torch.manual_seed(1)
    spec = ModelSpec.from_json(read(paths[0]).lineage.model)
    assert torch.equal(build(spec).state_dict()["fc1.weight"], one)


def test_a_second_run_keeps_and_another_is_refused(tmp_path):
    (path,) = run(tmp_path)
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    assert run(tmp_path) == [path]
    assert path.stat().st_mtime_ns == stamp
    for other in ({"loop": {"lr": 0.02}}, {"loop": {"epochs": 2}}, {"seeds": (1,)}):
        with pytest.raises(UsageError, match="exists and was made with other settings"):
            run(tmp_path, **other)
    assert path.read_bytes() == before
    (replaced,) = run(tmp_path, seeds=(1,), overwrite=True)
    assert replaced == path
    assert path.read_bytes() != before


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path):
    seen = []
    config = TrainConfig(ModelConfig("fc5"), loop=LoopConfig(epochs=1, device="cpu"), seeds=(0, 1))
    stream = train(config, Outputs(tmp_path), Progress(lambda status: seen.append(status.text)))
    first = next(stream)
    stream.close()
    stamp = first.stat().st_mtime_ns
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    both = list(train(config, Outputs(tmp_path), Progress(lambda status: seen.append(status.text))))
    assert both[0] == first
    assert first.stat().st_mtime_ns == stamp
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in both]
    assert any("epoch 1/1" in line for line in seen)


def test_weights_from_a_file_are_evaluated_as_they_are(tmp_path):
    (path,) = run(tmp_path / "a", seeds=(3,))
    save_file({f"module.{name}": t for name, t in load_file(path).items()}, tmp_path / "theirs.safetensors")
    (taken,) = run(
        tmp_path / "b", loop={"epochs": 0}, weights=str(tmp_path / "theirs.safetensors"), rename=("fc5=fc5",)
    )
    ours, theirs = load_file(path), load_file(taken)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    lineage = read(taken).lineage
    assert lineage.metrics == read(path).lineage.metrics
    assert lineage.history == ()
    assert lineage.parent == Link("../theirs.safetensors", read(tmp_path / "theirs.safetensors").sha256)


@pytest.mark.slow
def test_a_convolutional_network(tmp_path):
    (path,) = run(tmp_path, "resnet20", loop={"batch_size": BATCH})
    model, spec = network(path)
    assert spec.input_size == (3, 8, 8)
    assert read(path).lineage.settings[0].options["lr"] == 0.1
    assert read(path).lineage.metrics == evaluate(Forward(model, spec), DIGITS, BATCH)


def test_what_is_refused_writes_nothing(tmp_path):
    cases: list[tuple[type, str, dict[str, Any]]] = [
        (UsageError, "unknown model 'fc6'", {"model": "fc6"}),
        (UsageError, "unknown data set 'digit'", {"data": DataConfig("digit")}),
        (UsageError, "no file nowhere.pt", {"weights": "nowhere.pt"}),
        (
            UsageError,
            "one file but several checkpoints come out",
            {"seeds": (0, 1), "target": tmp_path / "x.safetensors"},
        ),
        (ApcliError, "no longer finite in epoch 1", {"loop": {"lr": 1e30}}),
        (ApcliError, "finite|NaN or Inf", {"loop": {"lr": 1e38, "batch_size": 2000, "weight_decay": 1e3}}),
    ]
    for error, words, options in cases:
        with pytest.raises(error, match=words):
            run(options.pop("target", tmp_path), **options)
        assert list(tmp_path.iterdir()) == []


def test_weights_that_do_not_fit(tmp_path):
    save_file({"fc1.weight": torch.zeros(3, 3)}, tmp_path / "w.safetensors")
    with pytest.raises(ApcliError, match=r"w\.safetensors does not fit the model"):
        run(tmp_path / "out", weights=str(tmp_path / "w.safetensors"))
    assert not (tmp_path / "out").exists()


def test_the_lineage_reads_back(tmp_path):
    (path,) = run(tmp_path, loop={"epochs": 0})
    found = read(path)
    assert Lineage.from_text(found.lineage.to_text(), "f") == found.lineage

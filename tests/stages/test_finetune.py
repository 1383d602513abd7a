"""The fine-tune stage on the digits: zeros held, PD against separate evaluations, traces, strange files."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.checkpoints import traces
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entry_of
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.data.datasets import load
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train
from apcli.training.evaluation import evaluate
from apcli.training.forward import Forward

DIGITS = load("digits", Path())
BATCH = 128
LOOP = LoopConfig(epochs=1, batch_size=BATCH, lr=0.01, device="cpu")
TIED = """
from torch import nn

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.last = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.two.weight = self.one.weight

    def forward(self, images):
        return self.last(self.two(self.one(images.flatten(1)).relu()).relu())

def tied(**options):
    return Tied()
"""


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dense")
    (path,) = train(TrainConfig(ModelConfig("fc5"), loop=LOOP), Outputs(folder), quiet)
    return path


@pytest.fixture
def pruned(dense: Path, tmp_path: Path) -> Path:
    (path,) = prune(read(dense), PruneConfig((0.6,), layers="fc4,fc5"), Outputs(tmp_path))
    return path


def run(source: Path, outputs: Outputs | None = None, *, loop: dict[str, Any] | None = None, **options: Any) -> Path:
    how = LoopConfig(**{"epochs": 1, "batch_size": BATCH, "lr": 0.01, "device": "cpu", **(loop or {})})
    config = FinetuneConfig(loop=how, **options)
    (seed,) = config.seeds or (None,)
    return Finetuner(config, outputs or Outputs(), quiet).finetune(read(source), seed)


def scores(path: Path) -> dict[str, Any]:
    """A file's loss and accuracy, measured apart from any stage."""
    spec = ModelSpec.from_json(read(path).lineage.model)
    model = build(spec)
    model.load_state_dict(load_file(path), strict=True)
    return evaluate(Forward(model, spec), DIGITS, BATCH)


def without_lineage(path: Path, target: Path) -> Path:
    save_file(load_file(path), target)
    return target


@pytest.mark.slow
def test_zeros_stay_and_the_others_learn(pruned):
    path = run(pruned, loop={"epochs": 2, "opt": "sgd", "weight_decay": 0.01})
    assert path == pruned.with_name("fc5-digits.lowest-0.6-fc4+fc5.finetuned.safetensors")
    before, after = load_file(pruned), load_file(path)
    for name in before:
        zero = before[name] == 0
        if name in ("fc4.weight", "fc5.weight"):
            assert int(zero.sum()) == round(0.6 * zero.numel())
            assert not after[name][zero].any()
        assert not torch.equal(before[name], after[name])


@pytest.mark.slow
def test_pd_is_the_difference_of_separate_evaluations(dense, pruned):
    path = run(pruned, loop={"epochs": 2, "eval_every": 2})
    lineage = read(path).lineage
    of_dense, of_pruned, of_tuned = scores(dense), scores(pruned), scores(path)
    first, middle, last = lineage.history
    assert [step["epoch"] for step in lineage.history] == [0, 1, 2]
    assert lineage.dense_metrics == of_dense
    assert lineage.metrics == of_tuned
    for step, found in ((first, of_pruned), (last, of_tuned)):
        for split in ("train", "test"):
            assert step[split] == found[split]
            assert step["pd"][split] == {
                "loss": abs(of_dense[split]["loss"] - found[split]["loss"]),
                "accuracy": abs(of_dense[split]["accuracy"] - found[split]["accuracy"]),
            }
    assert first["pd"]["test"]["loss"] > 0
    assert "test" not in middle
    assert middle["pd"] == {"test": None, "train": None}
    assert middle["running"]["loss"] > 0


def test_the_trace_is_the_weights_of_every_epoch(pruned):
    path = run(pruned, loop={"epochs": 2})
    trace = traces.of(read(path))
    assert trace is not None
    tensors = load_file(trace.path)
    names = ["fc4.weight", "fc5.weight"]
    assert set(tensors) == {f"{name}@{epoch}" for name in names for epoch in (0, 1, 2)}
    before, after = load_file(pruned), load_file(path)
    for name in names:
        assert torch.equal(tensors[f"{name}@0"], before[name])
        assert torch.equal(tensors[f"{name}@2"], after[name])
        assert not torch.equal(tensors[f"{name}@1"], tensors[f"{name}@2"])
        assert not tensors[f"{name}@1"][before[name] == 0].any()


@pytest.mark.parametrize(
    ("trace", "expected"),
    [("none", None), ("last", {"fc5"}), ("fc1,fc4", {"fc1", "fc4"}), ("all", {"fc1", "fc2", "fc3", "fc4", "fc5"})],
)
def test_what_is_traced(pruned, trace, expected):
    path = run(pruned, trace=trace, loop={"epochs": 0})
    found = traces.of(read(path))
    names = None if found is None else {name.partition(".")[0] for name in found.entries}
    assert names == expected


def test_without_an_epoch_there_is_one_accuracy(pruned, caplog):
    caplog.set_level(logging.INFO, "apcli")
    run(pruned, loop={"epochs": 0})
    (said,) = [record.message for record in caplog.records if "test accuracy" in record.message]
    assert said.endswith("%, without training")


def test_lineage(dense, pruned):
    path = run(pruned, loop={"epochs": 0}, seeds=(5,))
    lineage, parent = read(path).lineage, read(pruned).lineage
    assert [step.stage for step in lineage.settings] == ["train", "prune", "finetune"]
    assert lineage.settings[-1].options["seed"] == 5
    assert (lineage.settings[-1].options["update"], lineage.settings[-1].options["trace"]) == ("all", "auto")
    assert lineage.pruned == parent.pruned
    assert lineage.parent == Link(pruned.name, read(pruned).sha256)
    assert lineage.dense.sha256 == read(dense).sha256
    assert (path.parent / lineage.dense.path).samefile(dense)
    assert str(dense.parent.parent).encode() not in path.read_bytes()
    assert load_file(path).keys() == load_file(dense).keys()


def test_only_the_pruned_layers_move_if_so_asked(pruned):
    path = run(pruned, update="pruned", loop={"weight_decay": 0.01})
    before, after = load_file(pruned), load_file(path)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"fc4.weight", "fc5.weight"}


@pytest.mark.slow
def test_batch_norm_statistics_stay_with_them(tmp_path):
    config = TrainConfig(ModelConfig("resnet20"), loop=LOOP)
    (base,) = train(config, Outputs(tmp_path), quiet)
    (source,) = prune(read(base), PruneConfig((0.5,), layers="last"), Outputs())
    path = run(source, update="pruned")
    before, after = load_file(source), load_file(path)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"fc.weight"}


@pytest.mark.slow
def test_recalibration_comes_after_the_first_measurement(tmp_path):
    (base,) = train(TrainConfig(ModelConfig("resnet20"), loop=LOOP), Outputs(tmp_path), quiet)
    (source,) = prune(read(base), PruneConfig((0.5,)), Outputs())
    path = run(source, recalibrate_bn=True, loop={"epochs": 0})
    before, after = load_file(source), load_file(path)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    statistics = ("running_mean", "running_var")
    assert moved - {name for name in moved if name.endswith("tracked")} == {n for n in before if n.endswith(statistics)}
    lineage = read(path).lineage
    assert lineage.settings[-1].options["recalibrate_bn"] is True
    measured = {split: lineage.history[0][split] for split in ("train", "test")}
    assert (measured, lineage.metrics) == (scores(source), scores(path))
    assert lineage.metrics["train"]["loss"] < measured["train"]["loss"]
    assert len(lineage.history) == 1
    with pytest.raises(UsageError, match="exists and was made with other settings"):
        run(source, loop={"epochs": 0})


def test_a_network_without_batch_norm_is_not_recalibrated(pruned):
    with pytest.raises(UsageError, match="--recalibrate-bn: fc5 has no batch norm with running statistics"):
        run(pruned, recalibrate_bn=True)
    assert not pruned.with_name("fc5-digits.lowest-0.6-fc4+fc5.finetuned.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("schedule", [None, "linear:every=3", "one-shot"])
def test_gradual_pruning_ends_at_the_exact_share(pruned, scope, schedule):
    path = run(pruned, sparsity=0.9, schedule=schedule, scope=scope, exclude="fc1", loop={"opt": "adam", "epochs": 2})
    how = (schedule or "cubic").replace(":", "-")
    assert path.name == f"fc5-digits.lowest-0.6-fc4+fc5.lowest-0.9-{how}.finetuned.safetensors"
    before, after = load_file(pruned), load_file(path)
    names = [f"fc{i}.weight" for i in (2, 3, 4, 5)]
    zeros = {name: int((after[name] == 0).sum()) for name in names}
    if scope == "layer":
        assert zeros == {name: round(0.9 * after[name].numel()) for name in names}
    assert sum(zeros.values()) == pytest.approx(0.9 * sum(after[name].numel() for name in names), abs=2)
    assert all(not after[name][before[name] == 0].any() for name in names)
    assert (after["fc1.weight"] == 0).sum() == 0
    promises = read(path).lineage.pruned
    assert {name: promise.zeros for name, promise in promises.items()} == zeros
    method = f"lowest {(schedule or 'cubic').partition(':')[0]}"
    assert all((p.method, p.scope, p.requested) == (method, scope, 0.9) for p in promises.values())
    trace = load_file(traces.path_beside(path))
    assert {name.partition("@")[0] for name in trace} == set(names)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_movement_removes_the_exact_share_and_not_by_magnitude(dense, tmp_path, scope):
    """At half the weights, what training teaches keeps the network better than chance does."""
    how = {"layers": "fc3,fc4,fc5", "schedule": "linear:begin=0.1:end=0.5:every=2", "scope": scope}
    loop = {"epochs": 4, "lr": 0.05}
    path = run(dense, Outputs(tmp_path), sparsity=0.6, method="movement", loop=loop, **how)
    assert path.name == "fc5-digits.movement-0.6-linear-begin=0.1-end=0.5-every=2.finetuned.safetensors"
    after, names = load_file(path), [f"fc{i}.weight" for i in (3, 4, 5)]
    zeros = {name: int((after[name] == 0).sum()) for name in names}
    shares = {name: round(0.6 * after[name].numel()) for name in names}
    if scope == "layer":
        assert zeros == shares
    assert sum(zeros.values()) == pytest.approx(sum(shares.values()), abs=1)
    assert not any(after[name][after[name] == 0].signbit().any() for name in names)
    promises = read(path).lineage.pruned
    assert {name: promise.zeros for name, promise in promises.items()} == zeros
    assert {promise.method for promise in promises.values()} == {"movement linear"}
    lowest = load_file(run(dense, Outputs(tmp_path), sparsity=0.6, loop=loop, **how))
    agreed = [((lowest[name] == 0) == (after[name] == 0)).double().mean() for name in names]
    assert max(agreed) < 0.9
    prune_at_random = PruneConfig((0.6,), method="random", layers=how["layers"], scope=scope)
    (chance,) = prune(read(dense), prune_at_random, Outputs(tmp_path))
    control = run(chance, Outputs(tmp_path), loop={**loop, "epochs": 0})
    assert scores(path)["test"]["loss"] < scores(control)["test"]["loss"]


def test_movement_holds_zeros_through_momentum_and_keeps_earlier_ones(pruned):
    path = run(pruned, sparsity=0.9, method="movement", exclude="fc1", loop={"opt": "adam", "epochs": 2})
    before, after = load_file(pruned), load_file(path)
    for name in (f"fc{i}.weight" for i in (2, 3, 4, 5)):
        assert int((after[name] == 0).sum()) == round(0.9 * after[name].numel())
        assert not after[name][before[name] == 0].any()


@pytest.mark.parametrize("method", ["lowest", "movement"])
def test_gradual_pruning_of_tied_weights(tmp_path, method):
    """One tensor under two names: it is promised, and counts, once, and both names have its zeros."""
    code = tmp_path / "tied.py"
    code.write_text(TIED)
    named = f"{code}:tied"
    config = TrainConfig(ModelConfig(named), loop=LoopConfig(epochs=0, device="cpu"))
    (source,) = train(config, Outputs(tmp_path), quiet)
    path = run(source, sparsity=0.75, method=method, scope="global", loop={"epochs": 2}, model=named)
    after = load_file(path)
    assert torch.equal(after["one.weight"], after["two.weight"])
    zeros = {name: int((after[name] == 0).sum()) for name in ("one.weight", "two.weight", "last.weight")}
    assert zeros["one.weight"] + zeros["last.weight"] == round(0.75 * (64 * 64 + 640))
    del zeros["two.weight"]
    assert {name: p.zeros for name, p in read(path).lineage.pruned.items()} == zeros


@pytest.mark.slow
def test_gradual_pruning_of_a_dense_network(dense, tmp_path):
    """The source is the dense network that PD and the lineage speak of, also where it has no lineage of its own."""
    theirs = without_lineage(dense, tmp_path / "theirs.safetensors")
    for source in (dense, theirs):
        named = {} if source == dense else {"model": "fc5"}
        path = run(source, Outputs(tmp_path / "out"), sparsity=0.5, layers="fc4,fc5", loop={"epochs": 2}, **named)
        assert path.name == f"{source.stem}.lowest-0.5-cubic.finetuned.safetensors"
        lineage = read(path).lineage
        assert lineage.dense.sha256 == read(source).sha256
        assert lineage.dense_metrics == scores(dense)
        assert lineage.history[0]["pd"]["test"] == {"loss": 0.0, "accuracy": 0.0}
        trace = load_file(traces.path_beside(path))
        for name in ("fc4.weight", "fc5.weight"):
            zeros = [int((trace[f"{name}@{epoch}"] == 0).sum()) for epoch in (0, 1, 2)]
            assert zeros[0] == 0 < zeros[1] <= zeros[2]
            assert lineage.pruned[name].zeros == zeros[2] == round(0.5 * trace[f"{name}@0"].numel())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sparsity": 0.5}, "fc4 in .* has 0.6.* already: give no less"),
        ({"sparsity": 0.9, "method": "random"}, "--method random .*expected lowest, movement"),
        (
            {"sparsity": 0.9, "method": "movement", "schedule": "one-shot"},
            "one-shot of .* taught it anything: give the schedule a later begin, or more --epochs",
        ),
        ({"method": "movement"}, "--method is movement: expected to go with --sparsity"),
        ({"sparsity": 0.9, "update": "pruned"}, "--update is pruned: expected all"),
        ({"sparsity": 0.9, "loop": {"epochs": 0}}, "--epochs is 0: expected 1 or more"),
        ({"sparsity": 0.9, "scope": "erk"}, "--scope is 'erk'"),
        ({"schedule": "cubic"}, "--schedule is cubic: expected to go with --sparsity"),
        ({"sparsity": 0.9, "schedule": "quartic"}, "unknown sparsity schedule 'quartic'"),
    ],
)
def test_gradual_pruning_that_cannot_be(pruned, options, words):
    with pytest.raises(UsageError, match=words):
        run(pruned, **options)


@pytest.mark.slow
def test_same_bytes_twice_and_the_seed_matters(pruned, tmp_path):
    first = run(pruned, Outputs(tmp_path / "a"))
    again = run(pruned, Outputs(tmp_path / "b"))
    other = run(pruned, Outputs(tmp_path / "c"), seeds=(1,))
    assert first.read_bytes() == again.read_bytes()
    assert traces.path_beside(first).read_bytes() == traces.path_beside(again).read_bytes()
    assert not torch.equal(load_file(first)["fc4.weight"], load_file(other)["fc4.weight"])


@pytest.mark.slow
def test_one_of_several_is_as_one_alone(dense, tmp_path):
    """What a file becomes does not depend on what came through the pipe before it."""
    sources = list(prune(read(dense), PruneConfig((0.3, 0.6), layers="fc5"), Outputs(tmp_path)))
    tuner = Finetuner(FinetuneConfig(loop=LOOP), Outputs(tmp_path / "together"), quiet)
    together = [tuner.finetune(read(source)) for source in sources]
    alone = [run(source, Outputs(tmp_path / "alone")) for source in sources]
    assert [path.read_bytes() for path in together] == [path.read_bytes() for path in alone]


def test_a_second_run_keeps(pruned):
    path = run(pruned)
    stamp = path.stat().st_mtime_ns
    assert run(pruned) == path
    assert path.stat().st_mtime_ns == stamp
    for other, difference in (
        ({"loop": {"lr": 0.02}}, "lr .* → 0.02"),
        ({"seeds": (1,)}, "seed .* → 1"),
        ({"update": "pruned"}, "update all → pruned"),
    ):
        with pytest.raises(UsageError, match=rf"exists and was made with other settings \({difference}\)"):
            run(pruned, **other)
    assert path.stat().st_mtime_ns == stamp


def test_a_lost_trace_is_made_again(pruned):
    path = run(pruned)
    content = path.read_bytes()
    trace = traces.path_beside(path)
    whole = trace.read_bytes()
    trace.unlink()
    assert run(pruned) == path
    assert (path.read_bytes(), trace.read_bytes()) == (content, whole)


def test_another_file_is_not_replaced_for_want_of_its_trace(pruned):
    """Without --overwrite nothing is: also where no trace lies beside the file that is in the way."""
    path = run(pruned, trace="none")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists and was made with other settings"):
        run(pruned, trace="auto", loop={"lr": 0.02})
    assert path.read_bytes() == before
    path.write_bytes(b"a letter")
    with pytest.raises(UsageError, match="exists and is no checkpoint"):
        run(pruned)
    assert path.read_bytes() == b"a letter"


def test_another_dense_file_makes_another_result(dense, pruned, tmp_path):
    first = run(pruned, loop={"epochs": 0})
    (other,) = train(TrainConfig(ModelConfig("fc5"), loop=LOOP, seeds=(8,)), Outputs(tmp_path / "other"), quiet)
    with pytest.raises(UsageError, match="exists and was made with other settings"):
        run(pruned, dense=str(other), loop={"epochs": 0})
    second = run(pruned, Outputs(tmp_path / "new"), dense=str(other), loop={"epochs": 0})
    assert read(second).lineage.dense_metrics == scores(other)
    assert read(first).lineage.dense_metrics == scores(dense)
    assert read(second).lineage.dense.sha256 == read(other).sha256


def test_a_dense_file_that_is_gone_or_changed(dense, pruned, tmp_path, caplog):
    lineage = read(pruned).lineage
    lineage = replace(lineage, dense=replace(lineage.dense, path="gone.safetensors"))
    write(tmp_path / "orphan.safetensors", dict(read(pruned).entries), lineage)
    path = run(tmp_path / "orphan.safetensors", loop={"epochs": 0})
    assert "PD is not known: give --dense FILE" in caplog.text
    assert read(path).lineage.dense_metrics == {}
    assert read(path).lineage.history[0]["pd"] == {"test": None, "train": None}
    write(tmp_path / "gone.safetensors", dict(read(dense).entries), Lineage.EMPTY.then("train", {}))
    with pytest.raises(VerificationError, match="SHA-256 differs"):
        run(tmp_path / "orphan.safetensors", Outputs(tmp_path / "again"), loop={"epochs": 0})
    with pytest.raises(UsageError, match="no file nowhere"):
        run(tmp_path / "orphan.safetensors", Outputs(tmp_path / "again"), dense="nowhere", loop={"epochs": 0})


def test_a_pruned_file_of_another_program(dense, pruned, tmp_path):
    """Its zeros are the mask; which network it is, and its dense file, come from the command line."""
    source = without_lineage(pruned, tmp_path / "theirs.safetensors")
    with pytest.raises(UsageError, match=r"theirs\.safetensors does not say which network it is: give --model"):
        run(source)
    path = run(source, model="fc5", dense=str(dense))
    before, after = load_file(source), load_file(path)
    for name in ("fc4.weight", "fc5.weight"):
        assert not after[name][before[name] == 0].any()
    lineage = read(path).lineage
    zeros = {name: promise.zeros for name, promise in lineage.pruned.items()}
    assert zeros == {name: round(0.6 * before[name].numel()) for name in ("fc4.weight", "fc5.weight")}
    assert lineage.dense_metrics == scores(dense)
    assert lineage.history[0]["pd"]["test"]["loss"] > 0
    assert lineage.dense.sha256 == read(dense).sha256


def test_no_dense_ancestor_is_made_up(pruned, tmp_path):
    """A pruned file without lineage is not its own dense ancestor."""
    path = run(without_lineage(pruned, tmp_path / "theirs.safetensors"), model="fc5", loop={"epochs": 0})
    assert read(path).lineage.dense_metrics == {}
    assert read(path).lineage.dense is None


def spoilt(source: Checkpoint, target: Path, **changes: Any) -> Path:
    write(target, dict(source.entries), replace(source.lineage, **changes))
    return target


def test_what_is_refused_writes_nothing(dense, pruned, tmp_path):
    folder = tmp_path / "out"
    model = read(dense).lineage.model
    nan = load_file(pruned)
    nan["fc2.bias"][1] = float("nan")
    write(tmp_path / "nan.safetensors", {name: entry_of(tensor) for name, tensor in nan.items()}, read(pruned).lineage)
    cases: list[tuple[type, str, Path, dict[str, Any]]] = [
        (ApcliError, "tensor fc2.bias holds 1 NaN", tmp_path / "nan.safetensors", {}),
        (UsageError, "--update pruned: .* has no pruned layer", dense, {"update": "pruned"}),
        (UsageError, "no such layer", pruned, {"trace": "fc9"}),
        (UsageError, "unknown data set", pruned, {"data": DataConfig("digit")}),
        (UsageError, "fc12", pruned, {"model": "fc12"}),
        (ApcliError, "no longer finite", pruned, {"loop": {"lr": 1e30}}),
        (ApcliError, "finite|NaN or Inf", pruned, {"loop": {"lr": 1e38, "batch_size": 2000, "weight_decay": 1e3}}),
        (
            ApcliError,
            "does not fit the model",
            spoilt(read(pruned), tmp_path / "wide.safetensors", model={**model, "num_classes": 11}),
            {},
        ),
        (
            ApcliError,
            "name",
            spoilt(read(pruned), tmp_path / "path.safetensors", model={**model, "name": "../evil.py"}),
            {},
        ),
        (
            UsageError,
            "whose path is not in the file",
            spoilt(read(pruned), tmp_path / "folder.safetensors", data={"name": "folder:x", "classes": 10}),
            {},
        ),
    ]
    for error, words, source, options in cases:
        with pytest.raises(error, match=words):
            run(source, Outputs(folder), **options)
        assert not folder.exists() or not list(folder.iterdir())


OWN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)
        self.register_buffer("blur", torch.ones(3, 3))

    def forward(self, images):
        return self.fc(images.flatten(1))
"""


def test_a_pruned_buffer_is_no_parameter(tmp_path):
    """A blur kernel has two dimensions, so it is a layer of the file; the network does not learn it."""
    (tmp_path / "own.py").write_text(OWN)
    own = f"{tmp_path / 'own.py'}:Net"
    (base,) = train(TrainConfig(ModelConfig(own), loop=LOOP), Outputs(tmp_path), quiet)
    (source,) = prune(read(base), PruneConfig((0.5,)), Outputs())
    before = load_file(source)
    for update in ("all", "pruned"):
        after = load_file(run(source, Outputs(tmp_path / update), model=own, update=update))
        assert torch.equal(after["blur"], before["blur"])
        assert not after["fc.weight"][before["fc.weight"] == 0].any()
        assert not torch.equal(after["fc.weight"], before["fc.weight"])

"""The divergence stage on real files: values, which layers, what the records say, and bad pairs."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from apcli.checkpoints import traces
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of, entry_of
from apcli.checkpoints.writing import write
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError, UsageError
from apcli.records import lines
from apcli.records.divergence import Difference, DivergenceRecord, PerformanceDifference
from apcli.stages.divergence.stage import Divergences
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.theory.distributions import student_t

SHAPES = {"conv.weight": (6, 3, 2, 2), "fc.weight": (5, 8)}
SCORES = {"loss": 0.5, "accuracy": 90.0, "top5": 99.0}


def state(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    found = {name: torch.randn(shape, generator=draw).to(dtype) for name, shape in SHAPES.items()}
    return {**found, "fc.bias": torch.zeros(5, dtype=dtype), "steps": torch.tensor(seed)}


def file(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, path)
    return path


def run(dense: Path, pruned: Path, dist: str = "ap2", **options: Any) -> list[DivergenceRecord]:
    return list(Divergences(DivergenceConfig(dist, **options)).records(read(dense), read(pruned)))


def by_layer(found: list[DivergenceRecord]) -> dict[str, float]:
    return {record.layer: record.value for record in found}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_values_are_those_of_the_weights_in_float64(tmp_path, dtype):
    before, after = state(0, dtype), state(1, dtype)
    paths = file(tmp_path / "a.safetensors", before), file(tmp_path / "b.safetensors", after)
    squares = {
        name.removesuffix(".weight"): float((before[name].double() - after[name].double()).square().sum())
        for name in SHAPES
    }
    squares["*"] = squares["conv"] + squares["fc"]
    dims = {"conv": 72, "fc": 40, "*": 112}
    found = run(*paths, "ap2,gaussian:scale=2,student-t:df=3")
    assert [(r.dist, r.layer) for r in found] == [
        (dist, layer) for dist in ("ap2", "gaussian", "student-t") for layer in ("conv", "fc", "*")
    ]
    for record in found:
        square = squares[record.layer]
        expected = {
            "ap2": square,
            "gaussian": square / 8,
            "student-t": student_t.kl(math.sqrt(square), 3, dims[record.layer]),
        }
        assert record.value == pytest.approx(expected[record.dist], rel=1e-12)
        assert record.dim == dims[record.layer]


def test_a_record_is_the_contract(tmp_path):
    source = file(tmp_path / "a.safetensors", state(0))
    (pruned,) = prune(read(source), PruneConfig((0.5,), "random", layers="fc", seeds=(3,)), Outputs())
    (first, *_) = run(source, pruned, "student-t:df=5:groups=7")
    line = json.loads(lines.dump(first.to_json()))
    assert line == first.to_json()
    value, bounds = line.pop("value"), line.pop("tv_bounds")
    assert value > 0
    assert 0 < bounds["lemma_1"] <= bounds["lemma_1_best"] < min(bounds["pinsker"], bounds["bretagnolle_huber"])
    assert line == {
        "kind": "divergence",
        "version": 1,
        "model": None,
        "data": None,
        "seed": None,
        "dense": {"path": str(source), "sha256": read(source).sha256},
        "pruned": {"path": str(pruned), "sha256": read(pruned).sha256},
        "method": "random",
        "scope": "layer",
        "mask_seed": 3,
        "sparsity": {"requested": 0.5, "actual": 0.5},
        "layer": "fc",
        "filter": None,
        "dim": 8,  # blocks of 5 of 40 weights
        "epoch": None,
        "dist": "student-t",
        "params": {
            "df": 5.0,
            "pruned_df": "same",
            "cov": "identity",
            "scale": 1.0,
            "pruned_scale": "same",
            "groups": 7,
        },
        "measure": "kl",
        "measure_params": {},
        "estimator": "exact",
        "draws": None,
        "evaluated": None,
        "std_error": 0.0,
        "pd": {"test": None, "train": None},
        "metrics": {"dense": None, "before": None, "pruned": None},
    }
    assert run(source, pruned)[0].measure == "ap2"


def test_only_the_pruned_layers_unless_asked(tmp_path):
    source = file(tmp_path / "a.safetensors", state(0))
    (pruned,) = prune(read(source), PruneConfig((0.5,), layers="fc"), Outputs())
    assert by_layer(run(source, pruned)).keys() == {"fc", "*"}
    every = by_layer(run(source, pruned, layers="all"))
    assert every["conv"] == 0.0
    assert every["*"] == every["fc"] > 0
    assert by_layer(run(source, pruned, layers="all", exclude="fc")) == {"conv": 0.0, "*": 0.0}
    stranger = file(tmp_path / "b.safetensors", load_file(pruned))
    assert by_layer(run(source, stranger)).keys() == {"conv", "fc", "*"}


def with_layers(changes: dict[str, torch.Tensor | None]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in {**state(1), **changes}.items() if tensor is not None}


@pytest.mark.parametrize(
    ("dense", "pruned", "words"),
    [
        ({}, {"fc.weight": None}, r"a\.safetensors has fc, .*b\.safetensors does not"),
        ({"fc.weight": None}, {}, r"b\.safetensors has fc, .*a\.safetensors does not"),
        ({}, {"fc.weight": torch.zeros(8, 5)}, r"fc is 5x8 in .*a\.safetensors, 8x5 in .*b\.safetensors"),
        ({"conv.weight": torch.zeros(72, 1)}, {}, "conv is 72x1 in .*6x3x2x2 in"),
        ({"fc.weight": torch.full((5, 8), math.nan)}, {}, r"a\.safetensors: tensor fc\.weight holds 40 NaN"),
        ({}, {"fc.weight": torch.full((5, 8), math.inf)}, r"b\.safetensors: tensor fc\.weight holds 40 NaN or Inf"),
    ],
)
def test_pairs_that_do_not_match(tmp_path, dense, pruned, words):
    paths = (file(tmp_path / f"{n}.safetensors", with_layers(t)) for n, t in (("a", dense), ("b", pruned)))
    with pytest.raises(ApcliError, match=words) as caught:
        run(*paths)
    assert type(caught.value) is ApcliError


def test_too_many_groups_are_refused_before_the_first_record(tmp_path):
    """Of 72 + 40 weights the second layer has too few: half a table would look like a whole one."""
    paths = file(tmp_path / "a.safetensors", state(0)), file(tmp_path / "b.safetensors", state(1))
    found = Divergences(DivergenceConfig("gaussian:groups=50")).records(*map(read, paths))
    with pytest.raises(UsageError, match=r"groups=50: .*fc .*40 weights"):
        next(found)


def tuned(folder: Path, traced: dict[int, dict[str, torch.Tensor]]) -> tuple[Path, Path]:
    """A dense file, and one that says it was fine-tuned from its pruned self, with a trace."""
    dense = file(folder / "dense.safetensors", state(0))
    (pruned,) = prune(read(dense), PruneConfig((0.5,), "highest"), Outputs())
    origin = read(pruned).lineage
    history = [{"epoch": e, "test": {**SCORES, "loss": 1.0 - e / 10}, "train": None} for e in sorted(traced)]
    link = read(pruned).link(folder)
    scores = {"metrics": {"test": SCORES, "train": SCORES}, "dense_metrics": {"test": SCORES, "train": None}}
    lineage = origin.then("finetune", {"epochs": 2}, parent=link, history=history, **scores)
    tensors = {f"{name}@{epoch}": tensor for epoch, step in traced.items() for name, tensor in step.items()}
    path = folder / "tuned.safetensors"
    write(path, entries_of(load_file(pruned)), lineage)
    traced_entries = {name: entry_of(tensor) for name, tensor in tensors.items()}
    write(traces.path_beside(path), traced_entries, lineage.of_trace())
    return dense, path


def test_a_trace_adds_a_record_for_each_epoch(tmp_path):
    steps = {epoch: {name: state(epoch + 5)[name] for name in SHAPES} for epoch in (0, 1, 10)}
    dense, path = tuned(tmp_path, steps)
    found = run(dense, path, "ap2,gaussian")
    assert [r.epoch for r in found] == [None] * 6 + [0] * 6 + [1] * 6 + [10] * 6
    for epoch, step in steps.items():
        values = by_layer([r for r in found if r.epoch == epoch and r.dist == "ap2"])
        for name in SHAPES:
            expected = (state(0)[name].double() - step[name].double()).square().sum().item()
            assert values[name.removesuffix(".weight")] == pytest.approx(expected, rel=1e-12)
        assert values["*"] == pytest.approx(values["conv"] + values["fc"], rel=1e-12)
        (record, *_) = [r for r in found if r.epoch == epoch]
        assert record.pd.test.loss == pytest.approx(abs(0.5 - (1 - epoch / 10)))
        assert (record.pd.test.accuracy, record.pd.train) == (0.0, None)
        assert record.metrics.before.test.loss == 1.0
    assert found[0].pd == PerformanceDifference(test=Difference(0.0, 0.0))


def test_a_trace_adds_records_of_filters_for_each_epoch(tmp_path):
    dense, path = tuned(tmp_path, {1: {"fc.weight": state(5)["fc.weight"]}})
    found = run(dense, path, level="filter,network")
    assert [(r.layer, r.filter, r.epoch) for r in found] == [
        *(("conv", n, None) for n in range(6)),
        *(("fc", n, None) for n in range(5)),
        ("*", None, None),
        *(("fc", n, 1) for n in range(5)),
    ]
    moved = (state(0)["fc.weight"].double() - state(5)["fc.weight"].double()).square().sum(1)
    assert [r.value for r in found[12:]] == pytest.approx(moved.tolist(), rel=1e-12)
    assert [r.sparsity for r in found[12:]] == [r.sparsity for r in found[6:11]], "the zeros of the file"


def test_a_trace_of_some_layers_has_no_pooled_record(tmp_path):
    dense, path = tuned(tmp_path, {1: {"fc.weight": state(5)["fc.weight"]}, 2: {}})
    assert [(r.layer, r.epoch) for r in run(dense, path)] == [
        ("conv", None),
        ("fc", None),
        ("*", None),
        ("fc", 1),
    ]
    assert [(r.layer, r.epoch) for r in run(dense, path, layers="fc")][2:] == [("fc", 1), ("*", 1)]
    assert [(r.layer, r.epoch) for r in run(dense, path, layers="conv")] == [("conv", None), ("*", None)]


def test_files_are_left_as_they_are(tmp_path):
    paths = file(tmp_path / "a.safetensors", state(0)), file(tmp_path / "b.safetensors", state(1))
    before = [path.read_bytes() for path in paths]
    run(*paths, "ap2,student-t,gaussian:cov=diag")
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_the_operation_refuses_the_wrong_order(tmp_path):
    save_file({"fc.weight": torch.randn(4, 6)}, tmp_path / "net.safetensors")
    dense = read(tmp_path / "net.safetensors")
    (pruned,) = prune(dense, PruneConfig((0.5,)), Outputs(tmp_path))
    with pytest.raises(UsageError, match="give the dense file first"):
        next(Divergences(DivergenceConfig("ap2")).records(read(pruned), dense))

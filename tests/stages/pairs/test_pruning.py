"""How the layers of a file were pruned, and how the networks of a pair perform."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from small_files import TRAINED, entry

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link, Promise
from apcli.records.divergence import Metrics
from apcli.records.pair import LayerSparsity, PairRecord
from apcli.stages.pairs.pruning import (
    Pruning,
    file_of,
    members_of,
    metrics_of,
    pruning_of,
    prunings_of,
    seed_of,
)

LOWEST = Promise(2, 4, "lowest", "layer", requested=0.5)


def checkpoint(lineage: Lineage = TRAINED, name: str = "net") -> Checkpoint:
    tensors = {"a.weight": entry([[0, 0], [1, 2]]), "b.weight": entry([[0, 1], [1, 2]])}
    return Checkpoint(Path(f"{name}.safetensors"), Path(), tensors, lineage)


def pruning(**promises: Promise) -> Pruning:
    found = checkpoint(TRAINED.then("prune", {}, pruned={f"{layer}.weight": p for layer, p in promises.items()}))
    return pruning_of(found, {layer: found.entries[layer.tensor].zeros for layer in prunable(found)})


def test_what_is_the_same_of_all_layers_is_said_and_zeros_are_counted():
    alike = pruning(a=LOWEST, b=Promise(1, 4, "lowest", "layer", requested=0.5))
    assert alike == Pruning("lowest", "layer", None, LayerSparsity(0.5, 3 / 8))
    other = pruning(a=LOWEST, b=Promise(1, 4, "random", "layer", seed=3, requested=0.25))
    assert other == Pruning(None, "layer", None, LayerSparsity(None, 3 / 8))
    assert pruning(a=LOWEST) == Pruning(None, None, None, LayerSparsity(None, 3 / 8))  # b was not pruned


def test_each_layer_and_all_of_them_have_a_place():
    found = checkpoint(TRAINED.then("prune", {}, pruned={"a.weight": LOWEST}))
    by_place = prunings_of(found, prunable(found))
    assert {place: one.sparsity.actual for place, one in by_place.items()} == {
        ("a", None): 0.5, ("b", None): 0.25, ("*", None): 3 / 8,
    }  # fmt: skip
    assert (by_place["a", None].method, by_place["b", None].method) == ("lowest", None)


def scores(loss: float) -> dict[str, Any]:
    return {"loss": loss, "accuracy": 50.0, "top5": None}


def losses(metrics: Metrics) -> list[float | None]:
    said = (metrics.dense, metrics.before, metrics.pruned)
    return [found and found.test.loss for found in said]


def test_metrics_are_of_the_file_or_of_a_traced_epoch():
    dense = checkpoint(TRAINED.then("train", {}, metrics={"test": scores(1)}), "dense")
    history = [{"epoch": epoch, "test": scores(5 - epoch)} for epoch in (0, 1)]
    tuned = checkpoint(TRAINED.then("finetune", {}, history=history, metrics={"test": scores(3)}))
    assert losses(metrics_of(dense, tuned, None)) == [1, 5, 3]
    assert losses(metrics_of(dense, tuned, 1)) == [1, 5, 4]
    assert losses(metrics_of(dense, tuned, 7)) == [1, 5, None]


def test_the_reference_is_the_dense_file_s_on_the_same_data():
    digits, mnist = {"name": "digits"}, {"name": "mnist"}
    dense = checkpoint(TRAINED.then("train", {}, metrics={"test": scores(1)}, data=digits), "dense")
    dense.__dict__["sha256"] = "d" * 64  # it has no file to be of

    def reference(**fields: Any) -> float | None:
        return losses(metrics_of(dense, checkpoint(TRAINED.then("finetune", {}, **fields)), None))[0]

    assert reference(data=digits) == 1
    assert reference(data=mnist) is None
    own = {"data": mnist, "dense_metrics": {"test": scores(2)}}
    assert reference(**own, dense=Link("dense.safetensors", "d" * 64)) == 2  # measured by the run itself
    assert reference(**own, dense=Link("other.safetensors", "e" * 64)) is None


def test_seeds_of_fine_tuning_tell_files_of_one_network_apart():
    def seed(*stages: tuple[str, dict[str, Any]]) -> int | None:
        lineage = replace(TRAINED, seed=7)
        for stage, settings in stages:
            lineage = lineage.then(stage, settings)
        return seed_of(lineage)

    assert seed() == seed(("prune", {"seed": 1})) == seed(("finetune", {})) == 7
    assert seed(("prune", {}), ("finetune", {"seed": 2}), ("finetune", {"seed": 3})) == 3


def test_a_file_is_named_as_it_was_given():
    found = checkpoint()
    found.__dict__["sha256"] = "0" * 64
    assert file_of(found).to_json() == {"path": "net.safetensors", "sha256": "0" * 64}


def test_the_members_of_a_record_are_of_the_pruned_file_and_its_pruning():
    dense, tuned = checkpoint(name="dense"), checkpoint(replace(TRAINED, seed=7))
    for number, each in enumerate((dense, tuned)):
        each.__dict__["sha256"] = str(number) * 64
    how = pruning(a=LOWEST)
    found = members_of(dense, tuned, how)
    assert found.keys() == {field.name for field in fields(PairRecord)}
    assert (found["seed"], found["dense"].path, found["pruned"].path) == (7, "dense.safetensors", "net.safetensors")
    assert (found["method"], found["sparsity"]) == (how.method, how.sparsity)

"""What a record says beside its number: how the layers were pruned, and how the networks perform."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from small_files import TRAINED, entry

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link, Promise
from apcli.projections import DISTRIBUTIONS
from apcli.records.divergence import LayerSparsity, Metrics
from apcli.stages.divergence.records import (
    Compared,
    Pruning,
    Value,
    metrics_of,
    pruning_of,
    record_of,
    tv_bounds_of,
)
from apcli.theory import MEASURES
from apcli.theory.bounds.total_variation import bretagnolle_huber, pinsker
from apcli.theory.covariances.families import identity
from apcli.theory.distributions.gaussian import GaussianPair

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


def test_a_record_has_the_choice_the_files_and_the_difference():
    dense, pruned = (checkpoint(name=name) for name in ("dense", "net"))
    for number, each in enumerate((dense, pruned)):
        each.__dict__["sha256"] = str(number) * 64
    before = metrics_of(
        checkpoint(TRAINED.then("train", {}, metrics={"test": scores(1)})),
        checkpoint(TRAINED.then("train", {}, metrics={"test": scores(4)})),
        None,
    )
    compared = Compared(dense, pruned, pruning(a=LOWEST), "a", None, 2, before)
    (choice,), (measure,) = DISTRIBUTIONS.parse_list("student-t:df=inf"), MEASURES.parse_list("renyi:alpha=0.25")
    record = record_of(compared, choice, measure, 7, Value(0.5, 0.1, "naive", {"samples": 8}))
    assert (record.dense.path, record.pruned.sha256, record.layer, record.epoch) == (
        "dense.safetensors",
        "1" * 64,
        "a",
        2,
    )
    assert (record.dist, record.params["df"], record.dim) == ("student-t", "inf", 7)  # JSON has no infinity
    assert (record.measure, record.measure_params) == ("renyi", {"alpha": 0.25})
    assert (record.value, record.std_error, record.estimator, record.draws) == (0.5, 0.1, "naive", {"samples": 8})
    assert record.pd.test.loss == 3
    number = record_of(compared, DISTRIBUTIONS.parse("ap2"), None, 7, Value(float("inf")))
    assert (number.measure, number.measure_params, number.std_error) == ("ap2", {}, None)


def test_seeds_of_fine_tuning_tell_files_of_one_network_apart():
    def seed(*stages: tuple[str, dict[str, Any]]) -> int | None:
        lineage = replace(TRAINED, seed=7)
        for stage, settings in stages:
            lineage = lineage.then(stage, settings)
        dense, tuned = checkpoint(name="dense"), checkpoint(lineage)
        for each in (dense, tuned):
            each.__dict__["sha256"] = "0" * 64
        compared = Compared(dense, tuned, pruning(a=LOWEST), "a", None, None, Metrics())
        return record_of(compared, DISTRIBUTIONS.parse("ap2"), None, 7, Value(0.5)).seed

    assert seed() == seed(("prune", {"seed": 1})) == seed(("finetune", {})) == 7
    assert seed(("prune", {}), ("finetune", {"seed": 2}), ("finetune", {"seed": 3})) == 3


def test_bounds_on_total_variation():
    pair = GaussianPair(identity(scale=1.0, pruned_scale="same").shift(np.ones(3), 1.0, 3, 6))
    bounds = tv_bounds_of(pair, 0.5)
    assert (bounds.pinsker, bounds.bretagnolle_huber) == (pinsker(0.5), bretagnolle_huber(0.5))
    assert 0 < bounds.lemma_1 <= bounds.lemma_1_best < min(pinsker(0.5), bretagnolle_huber(0.5))

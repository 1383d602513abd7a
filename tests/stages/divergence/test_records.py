"""What a record says beside its number: how the layers were pruned, and how the networks perform."""

from pathlib import Path

import numpy as np
from small_files import TRAINED, entry

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.projections import DISTRIBUTIONS
from apcli.records.pair import LayerSparsity
from apcli.stages.divergence.records import (
    Compared,
    Value,
    record_of,
    tv_bounds_of,
)
from apcli.stages.pairs.pruning import Pruning, metrics_of
from apcli.theory import MEASURES
from apcli.theory.bounds.total_variation import bretagnolle_huber, pinsker
from apcli.theory.covariances.families import identity
from apcli.theory.distributions.gaussian import GaussianPair

LAYERS = Pruning("lowest", "layer", None, LayerSparsity(0.5, 0.5))


def checkpoint(lineage: Lineage = TRAINED, name: str = "net") -> Checkpoint:
    tensors = {"a.weight": entry([[0, 0], [1, 2]]), "b.weight": entry([[0, 1], [1, 2]])}
    return Checkpoint(Path(f"{name}.safetensors"), Path(), tensors, lineage)


def test_a_record_has_the_choice_the_files_and_the_difference():
    dense, pruned = (checkpoint(name=name) for name in ("dense", "net"))
    for number, each in enumerate((dense, pruned)):
        each.__dict__["sha256"] = str(number) * 64
    before = metrics_of(
        checkpoint(TRAINED.then("train", {}, metrics={"test": {"loss": 1.0, "accuracy": 50.0, "top5": None}})),
        checkpoint(TRAINED.then("train", {}, metrics={"test": {"loss": 4.0, "accuracy": 50.0, "top5": None}})),
        None,
    )
    compared = Compared(dense, pruned, LAYERS, "a", None, 2, before)
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


def test_bounds_on_total_variation():
    pair = GaussianPair(identity(scale=1.0, pruned_scale="same").shift(np.ones(1), 1.0, 3, 6))
    bounds = tv_bounds_of(pair, 0.5)
    assert (bounds.pinsker, bounds.bretagnolle_huber) == (pinsker(0.5), bretagnolle_huber(0.5))
    assert 0 < bounds.lemma_1 <= bounds.lemma_1_best < min(pinsker(0.5), bretagnolle_huber(0.5))

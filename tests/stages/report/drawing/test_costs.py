"""Costs of networks."""

from dataclasses import fields, replace

import pytest
from studies import only_group

from apcli.records.checkpoint import CheckpointRecord, LatencyFacts, MacsFacts
from apcli.stages.report.drawing.costs import costs_of


def checkpoint(kept, macs=None, latency=None, **changes):
    facts = dict.fromkeys([field.name for field in fields(CheckpointRecord)])
    facts |= {
        "path": "p",
        "sha256": "s",
        "bytes": 200,
        "dense_bytes": 400,
        "numbers": 100,
        "parameters": 100,
        "kept": kept,
    }
    return CheckpointRecord(**{**facts, "macs": macs, "latency": latency, "tensors": (), **changes})


MACS = MacsFacts((3, 8, 8), 1000, 250, 0, 1000, 4.0)
LATENCY = LatencyFacts(0.02, 0.01, 0.03, 5, 1, 8, (3, 8, 8), "cpu", None, 1, "float32", None, None, "")


def test_costs_are_ratios_to_the_dense_network_and_times(small):
    run = only_group(small).runs[0]
    dense = checkpoint(100, parameters=120)
    trials = tuple(
        replace(trial, checkpoint=checkpoint(kept, MACS, LATENCY), dense_checkpoint=dense)
        for trial, kept in zip(run.trials, (60, 40), strict=True)
    )
    (cost,) = costs_of([replace(run, trials=trials)])
    assert (cost.method, cost.sparsity) == (run.method, run.sparsity)
    assert cost.accuracy.mean == run.accuracy("pruned").mean
    assert {name: point.mean for name, point in cost.costs.items()} == {
        "parameters, dense ÷ kept": pytest.approx((2 + 3) / 2),
        "multiply-adds, dense ÷ kept": 4.0,
        "bytes of the file, dense ÷ pruned": 2.0,
        "latency, ms for a batch": pytest.approx(20.0),
    }


def test_files_that_are_not_known_cost_nothing_known(small):
    assert costs_of(only_group(small).runs) == ()

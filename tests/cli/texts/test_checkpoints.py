"""Checkpoints beside each other: what a row says, what stands above and below, and that it fits."""

from dataclasses import replace
from typing import Any

import pytest
from studies import described

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Promise
from apcli.cli.layout.tables import lines_of
from apcli.cli.texts.checkpoints import to_grid
from apcli.records.checkpoint import CheckpointRecord, LatencyFacts, MacsFacts


def pruned(method: str, accuracy: float, **changes: Any) -> dict[str, Any]:
    """The lineage of a fine-tuned file."""
    promises = {f"{layer}.weight": Promise(8, 10, method, "global", None, 0.8) for layer in ("conv", "fc")}
    metrics = {"test": {"loss": 0.1, "accuracy": accuracy}, "train": {"loss": 0.1, "accuracy": 99.0}}
    return dict(Lineage.EMPTY.then("finetune", {}, pruned=promises, metrics=metrics, **changes).to_json())


def timed(milliseconds: float) -> LatencyFacts:
    times = (milliseconds / 1000,) * 3
    return LatencyFacts(*times, 9, 1, 8, (1, 8, 8), "cpu", None, 1, "float32", None, None, "")


def counted(nonzero: int) -> MacsFacts:
    return MacsFacts((1, 8, 8), 5000, nonzero, 0, 5000, 5000 / nonzero)


def study() -> list[CheckpointRecord]:
    known: dict[str, Any] = {"macs_reason": None, "kept": 280}
    return [
        described("out/lowest.safetensors", "a", pruned("lowest", 97.18), macs=counted(1200), **known),
        described("out/highest.safetensors", "b", pruned("highest", 10.1), macs=counted(900), **known),
        described("out/dense.safetensors", "c", macs=counted(5000), macs_reason=None),
    ]


def test_a_row_says_how_a_file_was_pruned_and_what_it_is() -> None:
    grid = to_grid(study())
    assert grid.title == "3 checkpoints in out; of all: MACs 5,000, bytes 4,100"
    assert [column.title for column in grid.columns] == [
        *["file", "method", "scope", "parameters kept", "sparsity", "test accuracy %", "train accuracy %"],
        "nonzero MACs",
    ]
    assert grid.rows == [
        ["lowest", "lowest", "global", "280", "0.8000", "97.18", "99.00", "1,200"],
        ["highest", "highest", "global", "280", "0.8000", "10.10", "99.00", "900"],
        ["dense", "-", "-", "1,000", "0.0000", "-", "-", "5,000"],
    ]
    assert grid.caption == ""


def test_what_differs_within_a_file_is_listed_once() -> None:
    promises = {name: Promise(8, 10, method) for name, method in (("a", "lowest"), ("b", "mask of c"), ("c", "lowest"))}
    lineage = Lineage.EMPTY.then("prune", {}, pruned=promises).to_json()
    (row, _) = to_grid([described("a", "a", lineage), described("b", "b")]).rows
    assert row[1] == "lowest and mask of c"


def test_times_are_milliseconds_and_unknown_costs_are_told_once() -> None:
    files = [described(f"{name}.safetensors", name, latency=timed(2.5), macs_reason=f"{name}.safetensors is odd")
             for name in "ab"]  # fmt: skip
    grid = to_grid([*files, described("c/a.safetensors", "c", macs_reason=None)])
    assert [row[0] for row in grid.rows] == ["a", "b", "c/a"]
    assert [row[[column.title for column in grid.columns].index("latency ms")] for row in grid.rows] == [
        "2.5",
        "2.5",
        "-",
    ]
    assert "MACs" not in " ".join(column.title for column in grid.columns)
    assert grid.caption == "MACs of 2 files not counted: it is odd"


def test_a_trace_is_no_row_unless_there_is_nothing_else() -> None:
    trace = described("out/lowest.trace.safetensors", "t", pruned("lowest", 97.18) | {"stage": "trace"})
    grid = to_grid([*study(), trace, trace])
    assert len(grid.rows) == 3
    assert grid.caption == "2 traces of fine-tuning, no networks, left out"
    assert len(to_grid([trace, trace]).rows) == 2


def test_a_compact_file_is_pointed_out() -> None:
    kept = {"fc.weight": {"0": "0-1"}}
    compact = described("out/compact.safetensors", "d", pruned("l1", 90.0, kept=kept), macs_reason=None)
    assert "a compact file does not hold the removed channels" in to_grid([*study(), compact]).caption


def test_a_reason_cannot_command_the_terminal() -> None:
    files = [described(name, name, macs_reason="\x1b[2J") for name in "ab"]
    assert to_grid(files).caption == r"MACs of 2 files not counted: \x1b[2J"


def test_how_a_file_was_pruned_and_its_accuracy_stay_longest() -> None:
    named = [replace(one, latency=timed(2.5 + i), bytes=4100 + i) for i, one in enumerate(study())]
    for width in range(60, 121):
        lines = " ".join(lines_of(to_grid(named), width))
        head, _, gone = lines.partition("no room for: ")
        assert "method" in head
        assert "scope" not in gone or {"MACs", "bytes", "latency"} & set(head.split()) == set()
        assert "sparsity" not in gone
        assert "test accuracy" not in gone


@pytest.mark.parametrize("width", range(20, 121))
def test_it_fits_and_no_number_is_broken(width: int) -> None:
    names = [f"resnet20-cifar10.seed{seed}.{method}-0.8.finetuned" for seed in range(5) for method in ("lowest", "l1")]
    files = [replace(one, path=f"{name}.safetensors") for name, one in zip(names, study() * 4, strict=False)]
    lines = lines_of(to_grid(files), width)
    assert max(map(len, lines)) <= width
    assert [number for number in ("0.8000", "97.18") if not any(number in line for line in lines)] == []

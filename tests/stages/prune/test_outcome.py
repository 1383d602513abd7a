"""What is said of a pruned file: in its promises, and in warnings."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from prunings import run, zeros
from safetensors.torch import save_file
from small_files import entry

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.network_layers import LINEAR, WEIGHT_NORM
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.outputs import Outputs
from apcli.stages.prune.outcome import check_lengths, promises_of, tell, tell_of_compact
from apcli.stages.prune.plans import Task, plans_of, task_of
from apcli.stages.prune.pruned import Pruned


def test_min_keep_by_layer_keeps_more_than_was_asked_for(source, caplog):
    (path,) = run(source, 0.99, min_keep=20)
    assert zeros(path) == {"conv": 268, "fc1": 1180, "fc2": 280}
    assert "conv keeps 20 of 288, the least allowed (see --min-keep), instead of losing 285" in caplog.text


def test_a_collapsed_layer_is_named(tmp_path, caplog):
    save_file({"low.weight": torch.full((2, 2), 1e-3), "high.weight": torch.ones(4, 4)}, tmp_path / "net.safetensors")
    run(tmp_path / "net.safetensors", 0.5, scope="global")
    assert "low loses all its weights: see --min-keep" in caplog.text
    assert "high loses" not in caplog.text


def task(source: Path, **options: Any) -> Task:
    return task_of(read(source), PruneConfig((0.5,), **options))


def made(task: Task, **tensors: Entry) -> Pruned:
    """These tensors of the source, of which half was to go."""
    asked = dict.fromkeys(tensors, 0.5)
    fixed = {name: entry.size // 2 for name, entry in tensors.items()}
    return Pruned({**task.source.entries, **tensors}, dict.fromkeys(tensors), asked, {}, fixed)


def test_promises_say_what_was_counted_and_how_it_was_chosen(source):
    asked = task(source, scope="global", method="random", seeds=(3,))
    (plan,) = plans_of(asked, Outputs())
    found = promises_of(asked, plan, made(asked, **{"fc2.weight": entry(np.arange(300).reshape(10, 30) % 2)}))
    assert found == {"fc2.weight": Promise(150, 300, "random", "global", 3, 0.5)}


def test_promises_of_other_files_name_them(source, tmp_path):
    (like,) = run(source, 0.5, scope="global", folder=tmp_path / "like")
    for options, method, scope in (
        ({"mask_from": str(like)}, "mask of lowest", "global"),
        ({"like": str(like)}, "random-same-layers of lowest", "global"),
        ({"mask_from": str(source)}, "mask of net", None),  # which says neither method nor scope
    ):
        asked = task_of(read(source), PruneConfig(**options))
        (plan,) = plans_of(asked, Outputs())
        promise = promises_of(asked, plan, made(asked, **{"fc2.weight": entry(np.zeros((10, 30)))}))["fc2.weight"]
        assert (promise.method, promise.scope) == (method, scope)
    rewound = task(source, rewind_to=str(like))
    (plan,) = plans_of(rewound, Outputs())
    zeros = made(rewound, **{"fc2.weight": entry(np.zeros((10, 30)))})
    assert promises_of(rewound, plan, zeros)["fc2.weight"].method == "lowest rewound"


def test_more_zeros_than_asked_for_and_none_that_stay_are_told(source, caplog):
    asked = task(source)
    (plan,) = plans_of(asked, Outputs())
    few, none = np.zeros((10, 30)), np.zeros((30, 40))
    few[0, 0] = 1
    promises_of(asked, plan, made(asked, **{"fc2.weight": entry(few), "fc1.weight": entry(none)}))
    assert "fc2 has more zeros than requested: they are kept" in caplog.text
    assert "fc1 loses all its weights: see --min-keep" in caplog.text
    assert "conv" not in caplog.text


def test_a_row_that_weight_norm_divides_by_keeps_a_weight():
    stored = {"1.weight_v": entry([[0, 0], [1, 2]]), "1.weight_g": entry([[1], [1]])}
    layer = Layer("1", "1.weight_v", (2, 2), LINEAR, through=WEIGHT_NORM)
    with pytest.raises(UsageError, match="net: 1 row of 1 would lose all weights, and weight norm divides by the len"):
        check_lengths("net", [layer], stored)
    check_lengths("net", [layer], {**stored, "1.weight_v": entry([[0, 3], [1, 2]])})
    check_lengths("net", [layer], {**stored, "1.weight_g": entry([1.0])})  # one length of them all
    check_lengths("net", [Layer("1", "1.weight_v", (2, 2), LINEAR)], stored)


def test_both_sparsities_are_said(source, caplog):
    caplog.set_level("INFO", "apcli")
    found = read(source)
    entries = {**found.entries, "fc2.weight": entry(np.zeros((10, 30)))}
    tell("net", {"fc2.weight": Promise(300, 300)}, entries, found)
    assert caplog.messages == [
        "net: 300 of 300 weights in 1 layer are zero (sparsity 1); of the model's 1,818 parameters 1,518 are kept "
        "(sparsity 0.165017, compression 1.198)"
    ]


def test_results_with_the_same_zeros_are_pointed_out(source, caplog):
    """In one line, for new files and those that were there: lamp within a layer is lowest."""
    (first,) = run(source, 0.5)
    with caplog.at_level(logging.INFO, "apcli"):
        run(source, 0.5, 0.8, method="lowest,highest,lamp", scope="layer,global")
        assert f"{source}: the same weights go in lamp-0.5 as lowest-0.5 and lamp-0.8 as lowest-0.8" in caplog.messages
        caplog.clear()
        run(source, 0.5, 0.8, method="lowest,highest,lamp", scope="layer,global")  # nothing is new
        run(source, 0.0, method="lowest,highest")  # nothing goes
        run(source, 0.6, method="lowest,lamp:scope=global")
    assert "same weights" not in caplog.text
    assert first.name == "net.lowest-0.5.safetensors"


@pytest.mark.parametrize(
    ("macs", "words"),
    [
        ({"whole": 40, "half": 20}, "6 of 12 parameters (0.5), 20 of 40 multiply-adds (0.5) and "),
        ({"whole": None, "half": None}, "6 of 12 parameters (0.5) and "),
    ],
)
def test_what_is_left_of_a_compact_network_is_said(tmp_path, caplog, macs, words):
    for name, rows in (("whole", 4), ("half", 2)):
        save_file({"fc.weight": torch.eye(4, 3)[:rows]}, tmp_path / f"{name}.safetensors")
    whole, half = (read(tmp_path / f"{name}.safetensors") for name in macs)
    with caplog.at_level("INFO", "apcli"):
        tell_of_compact("half", whole, half, lambda checkpoint: macs[checkpoint.stem])
    share = f"{half.file_bytes:,} of {whole.file_bytes:,} bytes ({half.file_bytes / whole.file_bytes:.3g}) are left"
    assert f"half: {words}{share}" in caplog.text
    promised = replace(half, lineage=replace(half.lineage, pruned={"fc.weight": Promise(4, 6)}))
    with caplog.at_level("INFO", "apcli"):
        tell_of_compact("half", whole, promised, lambda checkpoint: None)
    assert "are left; 4 of the weights left are zero" in caplog.text


def test_a_share_that_rounds_to_no_weight_is_said(source, caplog):
    run(source, 0.0001)
    assert "no weight is removed: of 1,788 weights, the requested share rounds to none" in caplog.text
    caplog.clear()
    run(source, 0.0)
    assert "no weight is removed" not in caplog.text, "none were asked for"

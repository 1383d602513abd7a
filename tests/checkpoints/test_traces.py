import os
from pathlib import Path

import numpy as np
import pytest

from apcli.checkpoints import traces
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.errors import VerificationError

ONE = Entry("F32", (1,), np.zeros(4, np.uint8))


def tuned(folder: Path, trace_settings: dict[str, int] | None = None, stage: str = "finetune") -> Checkpoint:
    """A fine-tuned checkpoint, and beside it (when settings are given) a trace of three epochs."""
    lineage = Lineage.EMPTY.then(stage, {"epochs": 2}, parent=Link("p", "0"))
    path = folder / "net.finetuned.safetensors"
    write(path, {"fc.weight": ONE}, lineage)
    if trace_settings is not None:
        of_trace = Lineage.EMPTY.then(stage, trace_settings, parent=lineage.parent).of_trace()
        entries = {traces.tensor_name("fc.weight", epoch): ONE for epoch in (10, 0, 2)}
        write(traces.path_beside(path), {**entries, traces.tensor_name("conv.weight", 2): ONE}, of_trace)
    return read(path)


def test_names():
    assert traces.path_beside(Path("a/net.0.5.safetensors")) == Path("a/net.0.5.trace.safetensors")
    assert traces.tensor_name("fc.weight", 3) == "fc.weight@3"


def test_a_trace_beside_its_checkpoint_is_found(tmp_path):
    trace = traces.of(tuned(tmp_path, {"epochs": 2}))
    assert trace is not None
    assert trace.path.name == "net.finetuned.trace.safetensors"
    wanted = ["conv.weight", "other.weight", "fc.weight"]
    assert traces.epochs(trace, wanted) == {0: ["fc.weight"], 2: ["conv.weight", "fc.weight"], 10: ["fc.weight"]}
    assert list(traces.epochs(trace, wanted)) == [0, 2, 10]
    assert traces.epochs(trace, iter(["conv.weight"])) == {0: [], 2: ["conv.weight"], 10: []}


def test_no_trace(tmp_path):
    found = tuned(tmp_path)
    assert traces.of(found) is None
    write(traces.path_beside(found.path), {"fc.weight@0": ONE}, found.lineage.of_trace())
    assert traces.of(read(found.path, nameless=True)) is None
    assert traces.of(tuned(tmp_path, stage="prune")) is None


def test_the_trace_of_another_run_is_refused(tmp_path):
    with pytest.raises(VerificationError, match=r"net\.finetuned\.trace\.safetensors is not the trace of .*again"):
        traces.of(tuned(tmp_path, {"epochs": 3}))


def test_a_trace_without_lineage_is_refused(tmp_path):
    from safetensors.numpy import save_file

    found = tuned(tmp_path)
    save_file({"fc.weight@0": np.zeros(1, np.float32)}, traces.path_beside(found.path))
    with pytest.raises(VerificationError, match="is not the trace"):
        traces.of(found)


def test_tensors_that_are_of_no_epoch_are_passed_over(tmp_path):
    found = tuned(tmp_path)
    names = ["fc.weight", "fc.weight@", "fc.weight@x", "fc.weight@-1", "fc.weight@\N{SUPERSCRIPT TWO}", "fc.weight@7"]
    write(traces.path_beside(found.path), dict.fromkeys(names, ONE), found.lineage.of_trace())
    assert traces.epochs(traces.of(found), ["fc.weight"]) == {7: ["fc.weight"]}


def test_a_name_that_leaves_no_room_for_a_trace_has_none(tmp_path):
    path = tmp_path / f"{'n' * 243}.safetensors"
    os.rename(tuned(tmp_path).path, path)
    assert traces.of(read(path)) is None

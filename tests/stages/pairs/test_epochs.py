"""The weights of a file and of each epoch of its trace, and traces that are refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from small_files import TRAINED, entry

from apcli.checkpoints import traces
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.errors import ApcliError, VerificationError
from apcli.stages.pairs.epochs import epochs_of


def tuned(folder, **traced):
    """A file of two layers that says it was fine-tuned, with a trace of these tensors."""
    lineage = TRAINED.then("finetune", {"epochs": 2})
    path = folder / "tuned.safetensors"
    write(path, {"a.weight": entry(np.ones((5, 8))), "b.weight": entry(np.ones((2, 5)))}, lineage)
    if traced:
        write(traces.path_beside(path), traced, lineage.of_trace())
    return path


def epochs(path, *layers):
    found = read(path)
    chosen = [layer for layer in prunable(found) if not layers or layer.name in layers]
    return [
        (epoch, {name: one.values.flat[0] for name, one in step.items()}) for epoch, step in epochs_of(found, chosen)
    ]


def test_the_file_then_each_epoch_of_the_layers_that_it_traces(tmp_path):
    alone = (None, {"a.weight": 1.0, "b.weight": 1.0})
    assert epochs(tuned(tmp_path)) == [alone]
    steps = {"a.weight@0": 7.0, "a.weight@10": 8.0, "a.weight@2": 9.0, "b.weight@2": 6.0}
    shapes = {"a": (5, 8), "b": (2, 5)}
    path = tuned(tmp_path, **{name: entry(np.full(shapes[name[0]], value)) for name, value in steps.items()})
    both = {"a.weight": 9.0, "b.weight": 6.0}
    assert epochs(path) == [alone, (0, {"a.weight": 7.0}), (2, both), (10, {"a.weight": 8.0})]
    assert epochs(path, "b") == [(None, {"b.weight": 1.0}), (2, {"b.weight": 6.0})]


@pytest.mark.parametrize(("dtype", "shape"), [("F32", (10, 8)), ("F32", (5, 4)), ("I32", (5, 8))])
def test_other_tensors_are_refused(tmp_path, dtype, shape):
    path = tuned(tmp_path, **{"a.weight@1": Entry(dtype, shape, np.zeros(4 * math.prod(shape), np.uint8))})
    with pytest.raises(VerificationError, match=r"holds a\.weight@1 as .*: expected floats, 5x8"):
        epochs(path)


def test_nan_is_named(tmp_path):
    path = tuned(tmp_path, **{"a.weight@1": entry(np.full((5, 8), np.nan))})
    with pytest.raises(ApcliError, match=r"tuned\.trace\.safetensors: tensor a\.weight@1 holds 40 NaN"):
        epochs(path)


def test_the_trace_of_another_run_is_refused(tmp_path):
    path = tuned(tmp_path, **{"a.weight@1": entry(np.zeros((5, 8)))})
    lineage = read(path).lineage
    settings = (replace(lineage.last_settings, options={"epochs": 3}),)
    write(path, dict(read(path).entries), replace(lineage, settings=settings))
    with pytest.raises(VerificationError, match="is not the trace"):
        epochs(path)

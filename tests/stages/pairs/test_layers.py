"""Which layers of a pair are compared, and what does not match."""

import re
from pathlib import Path

import numpy as np
import pytest
from small_files import TRAINED, entry

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.kept_channels import written
from apcli.checkpoints.promises import Promise
from apcli.errors import ApcliError, UsageError
from apcli.stages.pairs.layers import compared_layers, in_dense_shape

SHAPES = {"conv.weight": (6, 3, 2, 2), "fc.weight": (5, 8)}


def checkpoint(name, shapes=SHAPES, pruned=(), kept=None):
    lineage = TRAINED.then("prune", {}, pruned={tensor: Promise(0, 40) for tensor in pruned}, kept=kept or {})
    tensors = {tensor: entry(np.ones(shape)) for tensor, shape in shapes.items()}
    return Checkpoint(Path(f"{name}.safetensors"), Path(), tensors, lineage)


def names(dense, pruned, layers=None, exclude=None):
    return [layer.name for layer in compared_layers(dense, pruned, layers, exclude)]


def test_the_pruned_layers_unless_others_are_asked_for():
    dense, pruned, stranger = checkpoint("a"), checkpoint("b", pruned=["fc.weight"]), checkpoint("c")
    assert names(dense, pruned) == ["fc"]
    assert names(dense, pruned, "all") == names(dense, stranger) == ["conv", "fc"]
    assert names(dense, pruned, "all", "fc") == names(dense, stranger, exclude="fc") == ["conv"]
    with pytest.raises(UsageError, match=r"no layer .*--exclude"):
        names(dense, pruned, exclude="fc")


@pytest.mark.parametrize(
    ("dense", "pruned", "words"),
    [
        ({}, {"fc.weight": None}, "a.safetensors has fc, b.safetensors does not"),
        ({"fc.weight": None}, {}, "b.safetensors has fc, a.safetensors does not"),
        ({}, {"fc.weight": (8, 5)}, "fc is 5x8 in a.safetensors, 8x5 in b.safetensors"),
        ({"conv.weight": (72, 1)}, {}, "conv is 72x1 in a.safetensors, 6x3x2x2 in b.safetensors"),
        ({}, {"fc.weight": (4, 8)}, "the rows that the smaller layer has kept are not known"),
    ],
)
def test_layers_that_do_not_match(dense, pruned, words):
    shapes = ({k: v for k, v in {**SHAPES, **changes}.items() if v is not None} for changes in (dense, pruned))
    with pytest.raises(ApcliError, match=re.escape(words)):
        names(*(checkpoint(name, of) for name, of in zip("ab", shapes, strict=True)))


def test_a_compact_layer_has_its_dense_shape_with_zeros():
    kept = {"fc.weight": {"0": written(np.array([0, 2, 3, 4]))}}
    compact = checkpoint("b", {**SHAPES, "fc.weight": (4, 8)}, pruned=["fc.weight"], kept=kept)
    (layer,) = compared_layers(checkpoint("a"), compact, None, None)
    whole = in_dense_shape(compact, layer, compact.entries["fc.weight"])
    assert (layer.shape, whole.shape) == ((5, 8), (5, 8))
    assert whole.values.sum(axis=1).tolist() == [8, 0, 8, 8, 8]
    same = compact.entries["conv.weight"]
    assert in_dense_shape(compact, compared_layers(checkpoint("a"), compact, "conv", None)[0], same) is same

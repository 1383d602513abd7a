"""Overlaps of masks, against counts over sets and drawn masks."""

from dataclasses import replace

import numpy as np
import pytest
from behaviours import RECORD
from safetensors.numpy import save_file

from apcli.checkpoints.layers import prunable
from apcli.checkpoints.reading import read
from apcli.records import lines
from apcli.records.pair import File, LayerSparsity
from apcli.stages.behaviour.masks import Masks

SHAPES = {"a.weight": (7, 9), "b.weight": (3, 5)}


def masked(folder, name, *kept, seed=0):
    """A file that keeps so many weights of each layer."""
    draw = np.random.default_rng(seed)
    tensors = {}
    for (tensor, shape), count in zip(SHAPES.items(), kept, strict=True):
        weights = np.zeros(np.prod(shape), np.float32)
        weights[draw.choice(len(weights), count, replace=False)] = 1
        tensors[tensor] = weights.reshape(shape)
    save_file(tensors, folder / f"{name}.safetensors")
    return read(folder / f"{name}.safetensors")


def record(name, method="lowest", dense="0", sparsity=0.5, **other):
    files = {"dense": File("a", dense), "pruned": File(f"{name}.safetensors", name)}
    return replace(RECORD, method=method, sparsity=LayerSparsity(sparsity), **files, **other)


def test_kept_weights_are_counted_layer_by_layer(tmp_path):
    masks, files = Masks(), [masked(tmp_path, "b", 30, 4, seed=1), masked(tmp_path, "c", 20, 9, seed=2)]
    for file, method in zip(files, ("lowest", "random"), strict=True):
        masks.add(file, prunable(file), record(method, method))
    (found,) = masks.records()
    assert (found.between, found.sparsity, found.first.method, found.second.method) == (
        *("methods", 0.5, "lowest", "random"),
    )
    kept = [{(n, i) for n in SHAPES for i in np.flatnonzero(file.entries[n].values)} for file in files]
    assert found.jaccard == pytest.approx(len(kept[0] & kept[1]) / len(kept[0] | kept[1]))
    first, second = found.layers
    assert (first.layer, first.weights, first.first, first.second, second.weights) == ("a", 63, 30, 20, 15)
    own = [{i for n, i in one if n == "a.weight"} for one in kept]
    assert first.both == len(own[0] & own[1])
    assert first.jaccard == pytest.approx(len(own[0] & own[1]) / len(own[0] | own[1]))
    both = 30 * 20 / 63 + 4 * 9 / 15
    assert found.chance == pytest.approx(both / (63 - both))
    assert list(lines.load([lines.dump(found.to_json())], "f")) == [found]


def test_chance_is_the_mean_of_drawn_masks(tmp_path):
    masks = Masks()
    for seed in range(40):
        file = masked(tmp_path, f"m{seed}", 30, 8, seed=seed)
        masks.add(file, prunable(file), record(f"m{seed}", "random", mask_seed=seed))
    found = list(masks.records())
    assert len(found) == 40 * 39 / 2
    assert {one.between for one in found} == {"seeds"}
    assert np.mean([one.jaccard for one in found]) == pytest.approx(found[0].chance, abs=0.005)


def test_which_files_are_compared(tmp_path):
    """Of one sparsity, those of one dense network or of one method; a mask that is there already adds nothing."""
    masks = Masks()
    about = {
        "b": record("b"),
        "again": record("again"),
        "c": record("c", "random"),
        "d": record("d", dense="1"),
        "e": record("e", "random", dense="1"),
        "f": record("f", sparsity=0.9),
        "g": record("g", None),
    }
    for seed, (name, one) in enumerate(about.items()):
        file = masked(tmp_path, name, 10, 5, seed=0 if name == "again" else seed)
        masks.add(file, prunable(file), one)
    pairs = {(one.first.sha256, one.second.sha256): one.between for one in masks.records()}
    assert pairs == {("b", "c"): "methods", ("b", "d"): "seeds", ("c", "e"): "seeds", ("d", "e"): "methods"}


def test_nothing_kept_has_no_overlap(tmp_path):
    masks = Masks()
    for name, method in (("b", "lowest"), ("c", "random")):
        file = masked(tmp_path, name, 0, 2, seed=ord(name))
        masks.add(file, prunable(file), record(name, method))
    (found,) = masks.records()
    assert (found.layers[0].jaccard, found.layers[0].chance) == (None, None)
    assert found.chance == pytest.approx((4 / 15) / (4 - 4 / 15))

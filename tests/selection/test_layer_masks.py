"""Masks of every scope and structure against brute force."""

import numpy as np
import pytest

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate, leaving_least
from apcli.allocations.budgets import Sparsity
from apcli.allocations.scopes import by_rows
from apcli.allocations.units import Context, Unit, least
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.errors import UsageError
from apcli.selection import layer_masks
from apcli.selection.layer_masks import by_counts, by_pattern, fitting_pattern
from apcli.selection.ranked import Ranked
from apcli.selection.rankings import ScoreRanking

SHAPES = {"conv": (8, 3, 3, 3), "mid": (16, 8), "fc": (5, 16)}
LAYERS = [Layer(name, f"{name}.weight", shape) for name, shape in SHAPES.items()]


def weights_of(seed=0, zeros=0.1):
    draw = np.random.default_rng(seed)
    found = {x.tensor: np.round(draw.normal(size=x.shape) * 8) / 8 for x in LAYERS}  # ties
    return {name: weight * (draw.random(weight.shape) >= zeros) for name, weight in found.items()}


def ranked_of(weights):
    rankings = {
        name.removesuffix(".weight"): ScoreRanking(
            np.abs(weight), Entry("F64", weight.shape, weight.reshape(-1).view(np.uint8))
        )
        for name, weight in weights.items()
    }
    return Ranked(rankings)


def by_scope(layers, ranked, scope, sparsity, min_keep=0):
    """The masks of a row of ``SCOPES``, as the prune stage puts them together."""
    choice = SCOPES.parse(scope)
    units = [Unit(x.name, x.size, x.shape, least(x.size, min_keep)) for x in layers]
    context = Context(lambda removed: ranked.lowest(units, removed), ends=lambda: {"first": ["conv"], "last": ["fc"]})
    counts = leaving_least(units, allocate(choice, units, Sparsity(sparsity), context))
    return by_counts(layers, ranked, counts, rows="rows" in choice.row.needs)


def whole(masks):
    return {x.tensor: masks[x.tensor].kept(0, x.size).reshape(x.shape) for x in LAYERS if x.tensor in masks}


def scoped(weights, scope, sparsity, min_keep=0):
    return whole(by_scope(LAYERS, ranked_of(weights), scope, sparsity, min_keep))


@pytest.mark.parametrize("scope", [row.name for row in SCOPES if "activations" not in row.needs])
def test_scopes_are_exact_remove_the_lowest_and_grow(scope):
    weights, total = weights_of(), sum(x.size for x in LAYERS)
    before = None
    for sparsity in (0.3, 0.4, 0.45):
        masks = scoped(weights, scope, sparsity)
        zeros = {name: int((~mask).sum()) for name, mask in masks.items()}
        if scope == "global":
            assert sum(zeros.values()) == round(sparsity * total)
        elif scope != "output":
            units = [Unit(x.name, x.size, x.shape) for x in LAYERS]
            ends = Context(ends=lambda: {"first": ["conv"], "last": ["fc"]})
            counts = allocate(SCOPES.parse(scope), units, Sparsity(sparsity), ends)
            assert zeros == {x.tensor: max(counts[x.name], int((weights[x.tensor] == 0).sum())) for x in LAYERS}
        for name, mask in masks.items():
            assert not mask[weights[name] == 0].any()
            if scope != "output" and mask.any() and not mask.all():
                assert np.abs(weights[name])[~mask].max() <= np.abs(weights[name])[mask].min()
        if before:
            assert not any((mask & ~before[name]).any() for name, mask in masks.items())
        before = masks


def test_rows_lose_the_same_and_runs_are_parts_of_the_whole():
    weights = weights_of(zeros=0)
    weights = {name: np.where(weight == 0, 1.0, weight) for name, weight in weights.items()}
    masks = by_scope(LAYERS, ranked_of(weights), "output", 0.4)
    for x in LAYERS:
        mask = masks[x.tensor].kept(0, x.size)
        rows = mask.reshape(x.shape[0], -1)
        assert (~rows).sum(1).tolist() == by_rows(round(0.4 * x.size), x.shape[0])
        assert masks[x.tensor].kept(5, 30).tolist() == mask[5:30].tolist()


@pytest.mark.parametrize("block", [1, 7, 24, 25, 1000])
@pytest.mark.parametrize("structure", ["output", "2:4", "3:8"])
def test_masks_by_rows_do_not_depend_on_the_blocks(block, structure, monkeypatch):
    """Rows of 24 and of 72 weights, in blocks smaller and larger than a row and none a multiple of it."""
    layers = [Layer("a", "a.weight", (7, 24)), Layer("b", "b.weight", (5, 8, 3, 3))]
    draw = np.random.default_rng(0)
    weights = {x.tensor: np.round(draw.normal(size=x.shape) * 4) / 4 for x in layers}

    def masks():
        if structure == "output":
            return by_scope(layers, ranked_of(weights), "output", 0.4)
        n, m = map(int, structure.split(":"))
        return by_pattern(layers, ranked_of(weights), (n, m))

    expected = masks()
    monkeypatch.setattr(layer_masks, "BLOCK", block)
    for x in layers:
        mask, whole = masks()[x.tensor], expected[x.tensor].kept(0, x.size)
        assert mask.zeros == (~whole).sum()
        assert mask.kept(0, x.size).tolist() == whole.tolist()
        assert (
            np.concatenate([mask.kept(at, min(at + 11, x.size)) for at in range(0, x.size, 11)]).tolist()
            == whole.tolist()
        )
        if structure == "output":
            for row, kept, gone in zip(
                weights[x.tensor].reshape(x.shape[0], -1),
                whole.reshape(x.shape[0], -1),
                by_rows(round(0.4 * x.size), x.shape[0]),
                strict=True,
            ):
                lowest = np.argsort(np.abs(row), kind="stable")[:gone]
                assert set(np.flatnonzero(~kept)) == {*lowest, *np.flatnonzero(row == 0)}


@pytest.mark.parametrize("min_keep", [30, 0.4])
def test_min_keep_of_global_takes_the_next_in_rank(min_keep):
    weights = weights_of(1, 0)
    weights["fc.weight"] /= 100
    masks = scoped(weights, "global", 0.5, min_keep)
    least = {x.tensor: min_keep if min_keep >= 1 else round(min_keep * x.size) for x in LAYERS}
    flat = [(abs(w), order, i, x) for order, x in enumerate(LAYERS) for i, w in enumerate(weights[x.tensor].ravel())]
    left, expected = {x.tensor: x.size for x in LAYERS}, {x.tensor: np.ones(x.size, bool) for x in LAYERS}
    wanted = round(0.5 * len(flat))
    for _, _, index, x in sorted(flat, key=lambda item: item[:3]):
        if wanted and left[x.tensor] > least[x.tensor]:
            expected[x.tensor][index] = False
            left[x.tensor] -= 1
            wanted -= 1
    assert {name: mask.ravel().tolist() for name, mask in masks.items()} == {
        name: (mask & (weights[name].ravel() != 0)).tolist() for name, mask in expected.items()
    }


@pytest.mark.parametrize("n, m", [(2, 4), (1, 4), (1, 2)])
def test_patterns_along_the_inputs(n, m, caplog):
    layers = [Layer("a", "a.weight", (3, 8, 3, 3)), Layer("b", "b.weight", (5, 16)), Layer("c", "c.weight", (2, 3))]
    draw = np.random.default_rng(0)
    weights = {x.tensor: draw.normal(size=x.shape) * (draw.random(x.shape) > 0.3) for x in layers}
    fitting = fitting_pattern(layers, (n, m), "f")
    assert fitting == layers[:2]
    assert f"not pruned, because their inputs are no multiple of {m}: c" in caplog.text
    masks = by_pattern(fitting, ranked_of(weights), (n, m))
    for x in layers[:2]:
        mask, size = masks[x.tensor].kept(0, x.size).reshape(x.shape), np.abs(weights[x.tensor])
        for place in np.ndindex(x.shape[0], x.shape[1] // m, *x.shape[2:]):
            at = (place[0], slice(place[1] * m, (place[1] + 1) * m), *place[2:])
            best = np.argsort(size[at])[-n:]
            assert set(np.flatnonzero(mask[at])) == {i for i in best if size[at][i]}
    with pytest.raises(UsageError, match="no layer of f has a multiple"):
        fitting_pattern(layers[2:], (n, m), "f")


@pytest.mark.parametrize("size, min_keep, kept", [(4, 0.1, 1), (30, 0.1, 3), (7, 0.5, 4), (1, 0.9, 1), (9, 2.5, 3)])
def test_min_keep_rounds_up(size, min_keep, kept):
    layer = Layer("a", "a.weight", (1, size))
    weight = np.arange(1.0, size + 1)
    masks = by_scope([layer], ranked_of({"a.weight": weight}), "layer", 0.99, min_keep)
    assert masks["a.weight"].kept(0, size).sum() == kept


def test_more_zeros_than_asked_stay():
    weights = weights_of(2, 0.6)
    for masks in (
        scoped(weights, "layer", 0.1),
        whole(by_counts(LAYERS, ranked_of(weights), dict.fromkeys(SHAPES, 0), rows=False)),
    ):
        assert all((mask == (weights[name] != 0)).all() for name, mask in masks.items())

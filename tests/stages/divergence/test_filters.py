"""Filters: each row of a layer's weights as a layer of its own, against the formulas row by row in float64."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import block_diag
from small_files import entry

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.network_layers import (
    CONVOLUTION,
    EMBEDDING,
    GROUPED,
    GROUPED_TRANSPOSED,
    LINEAR,
    TRANSPOSED,
    LayerWeight,
    NetworkLayers,
)
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError, UsageError
from apcli.projections import DISTRIBUTIONS
from apcli.projections.weights import Tensors
from apcli.records.divergence import DivergenceRecord
from apcli.stages.divergence.filters import check_filters, filters_of, rows_of, with_rows
from apcli.stages.divergence.stage import Divergences
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.theory.covariances import families
from apcli.theory.distributions import student_t

SHAPES = {"conv": (6, 3, 2, 2), "grouped": (4, 1, 3, 3), "fc": (5, 8)}
ROWS = [(name, number) for name, shape in SHAPES.items() for number in range(shape[0])]
KINDS = {"conv": CONVOLUTION, "grouped": GROUPED, "fc": LINEAR}


def weights(seed: int, dtype: str = "F32") -> dict[str, np.ndarray]:
    """Weights of all layers that ``dtype`` can hold, in float64."""
    draw = np.random.default_rng(seed)
    return {name: entry(draw.normal(size=shape), dtype).values.astype(float) for name, shape in SHAPES.items()}


def saved(path: Path, tensors: dict[str, Any], kinds: dict[str, str] = KINDS, **lineage: Any) -> Path:
    """A file of the layers ``tensors``, arrays or entries, which says what kind of layers they are."""
    entries = {f"{n}.weight": t if isinstance(t, Entry) else entry(t) for n, t in tensors.items()}
    known = NetworkLayers(tuple(LayerWeight(f"{name}.weight", kinds[name]) for name in tensors))
    write(path, entries, Lineage.EMPTY.then("train", {}, layers=known, **lineage))
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return saved(tmp_path / "a.safetensors", weights(0)), saved(tmp_path / "b.safetensors", weights(1))


def measured(dense: Path, pruned: Path, dist: str, level: str = "filter", **options: Any) -> list[DivergenceRecord]:
    return list(Divergences(DivergenceConfig(dist, level=level, **options)).records(read(dense), read(pruned)))


def values(found: list[DivergenceRecord]) -> dict[tuple[str, int | None], float]:
    return {(record.layer, record.filter): record.value for record in found}


def flat(w: dict[str, np.ndarray], name: str) -> np.ndarray:
    return w[name].reshape(len(w[name]), -1)


# ---- values


@pytest.mark.parametrize("dtypes", [("F32", "F32"), ("F64", "F16")], ids=str)
def test_values_are_those_of_each_row_in_float64(tmp_path, dtypes):
    before, after = (weights(seed, dtype) for seed, dtype in enumerate(dtypes))
    paths = [
        saved(tmp_path / f"{dtype}{n}.safetensors", {name: entry(array, dtype) for name, array in w.items()})
        for n, (w, dtype) in enumerate(zip((before, after), dtypes, strict=True))
    ]
    found = measured(*paths, "ap2,gaussian:scale=2,student-t:df=3,laplace:scale=0.5,cauchy:scale=0.5,ap2:groups=4")
    assert [(r.layer, r.filter) for r in found] == ROWS * 6
    for record in found:
        moved = flat(before, record.layer)[record.filter] - flat(after, record.layer)[record.filter]
        square, x = float(moved @ moved), np.abs(moved) / 0.5
        each = len(moved) // 4
        means = [moved[start : start + each].mean() for start in range(0, len(moved), each)]
        grouped = record.params.get("groups")
        expected = {
            "ap2": np.square(means).sum() if grouped else square,
            "gaussian": square / 8,
            "student-t": student_t.kl(math.sqrt(square), 3, len(moved)),
            "laplace": np.sum(x + np.exp(-x) - 1),
            "cauchy": np.sum(np.log1p(x**2 / 4)),
        }
        assert record.value == pytest.approx(float(expected[record.dist]), rel=1e-12)
        assert record.dim == (len(means) if grouped else len(moved))


def ar1(rows: np.ndarray, rho: float) -> np.ndarray:
    places = np.arange(rows.shape[1])
    return rho ** np.abs(places[:, None] - places)


def diagonal(rows: np.ndarray) -> np.ndarray:
    spread = rows.var(0, ddof=1)
    return np.diag(((len(rows) - 1) * spread + spread.mean()) / len(rows))


def shrunk(rows: np.ndarray) -> np.ndarray:
    sample = np.cov(rows.T, bias=True)
    return 0.5 * sample + 0.5 * np.trace(sample) / len(sample) * np.eye(len(sample))


@pytest.mark.parametrize(
    ("cov", "of"),
    [
        ("ar1:rho=0.3", lambda before, after: (ar1(before, 0.3), ar1(before, 0.3))),
        ("ar1:rho=0.3:pruned_rho=-0.2", lambda before, after: (ar1(before, 0.3), ar1(after, -0.2))),
        ("diag", lambda before, after: (diagonal(before), diagonal(before))),
        ("diag:pruned_cov=own", lambda before, after: (diagonal(before), diagonal(after))),
        ("rows:shrinkage=0.5", lambda before, after: (shrunk(before), shrunk(before))),
        ("rows:shrinkage=0.5:pruned_cov=own", lambda before, after: (shrunk(before), shrunk(after))),
    ],
)
def test_a_filter_has_the_covariance_of_its_layer_s_rows(files, cov, of):
    """The layer's distribution has independent rows: each filter's is one of them, and their divergences add up."""
    before, after = weights(0), weights(1)
    found = values(measured(*files, f"gaussian:cov={cov}", "filter,layer"))
    for name in SHAPES:
        first, second = of(flat(before, name), flat(after, name))
        inverse, rows = np.linalg.inv(second), range(len(before[name]))
        for number in rows:
            moved = flat(before, name)[number] - flat(after, name)[number]
            logs = np.linalg.slogdet(second)[1] - np.linalg.slogdet(first)[1]
            kl = 0.5 * (np.trace(inverse @ first) - len(moved) + moved @ inverse @ moved + logs)
            assert found[name, number] == pytest.approx(kl, rel=1e-9)
        assert sum(found[name, number] for number in rows) == pytest.approx(found[name, None], rel=1e-12)


def test_a_covariance_from_a_file_is_of_a_row(files, tmp_path):
    draw = np.random.default_rng(5).normal(size=(8, 20))
    np.save(tmp_path / "row.npy", draw @ draw.T / 20)
    np.save(tmp_path / "layer.npy", block_diag(*[draw @ draw.T / 20] * 5))
    dist = f"gaussian:cov=full:path={tmp_path}/row.npy"
    found = values(measured(*files, dist, layers="fc"))
    inverse = np.linalg.inv(draw @ draw.T / 20)
    for number, moved in enumerate(weights(0)["fc"] - weights(1)["fc"]):
        assert found["fc", number] == pytest.approx(0.5 * moved @ inverse @ moved, rel=1e-11)
    with pytest.raises(UsageError, match=r"layer fc cannot use .*\(40, 40\), expected \(8, 8\).* --exclude fc$"):
        measured(*files, dist.replace("row.npy", "layer.npy"), layers="fc")


def test_ap2_adds_up_exactly_over_filters_and_layers(tmp_path):
    """Lengths that are whole numbers: 1, 2, 2 → 3 and 4 → 4 make 5, and with 12 they make 13."""
    moved = {"conv": np.array([[1.0, 2, 2], [0, 4, 0]]).reshape(2, 3, 1, 1), "fc": np.array([[12.0, 0]])}
    dense = saved(tmp_path / "a.safetensors", moved)
    pruned = saved(tmp_path / "b.safetensors", {name: 0 * array for name, array in moved.items()})
    found = measured(dense, pruned, "ap2,gaussian", "network,filter,layer")
    ap2 = {("conv", 0): 9, ("conv", 1): 16, ("fc", 0): 144, ("conv", None): 25, ("fc", None): 144, ("*", None): 169}
    assert values(found[:6]) == ap2
    assert values(found[6:]) == {place: value / 2 for place, value in ap2.items()}


@pytest.mark.parametrize("dist", ["ap2", "gaussian:scale=0.1", "gaussian:pruned_scale=3", "laplace", "cauchy"])
def test_filters_add_up_to_their_layer_and_layers_to_the_network(files, dist):
    found = values(measured(*files, dist, "both,filter"))
    for name, shape in SHAPES.items():
        assert sum(found[name, n] for n in range(shape[0])) == pytest.approx(found[name, None], rel=1e-13)
    assert sum(found[place] for place in ROWS) == pytest.approx(found["*", None], rel=1e-13)


def test_the_other_levels_are_as_they_are_without_filters(files):
    dists = "ap2,gaussian:cov=rows,laplace"
    found = measured(*files, dists, "both,filter")
    assert [r for r in found if r.filter is None] == measured(*files, dists, "both")
    assert [r for r in found if r.filter is not None] == measured(*files, dists, "filter")


def test_an_own_covariance_is_made_once_for_all_filters_of_a_layer(files, monkeypatch):
    calls, diag = [], families.diag
    monkeypatch.setattr(families, "diag", lambda *given, **more: calls.append(more) or diag(*given, **more))
    stage = Divergences(DivergenceConfig("gaussian:cov=diag:pruned_cov=own", level="filter"))
    calls.clear()  # of a trial before any file is read
    first = list(stage.records(read(files[0]), read(files[1])))
    assert len(calls) == len(SHAPES)
    assert {r.value for r in stage.records(read(files[0]), read(files[0]))} == {0.0}, "and for each pair anew"
    assert first == measured(*files, "gaussian:cov=diag:pruned_cov=own")


# ---- layers of every kind, and files of every storage


def test_the_filters_of_a_transposed_convolution_are_its_outputs(tmp_path):
    """Its weight is [inputs, outputs, ...]; a covariance is that of the outputs' rows at every level."""
    w = [np.random.default_rng(seed).normal(size=(3, 4, 2, 2)).astype(np.float32).astype(float) for seed in (0, 1)]
    paths = [
        saved(tmp_path / f"{n}.safetensors", {"up": array}, {"up": TRANSPOSED})
        for n, array in zip("ab", w, strict=True)
    ]
    found = values(measured(*paths, "ap2"))
    moved = (w[0] - w[1]).swapaxes(0, 1).reshape(4, -1)
    assert [found["up", number] for number in range(4)] == pytest.approx(list(np.square(moved).sum(1)), rel=1e-13)
    variances = np.diag(diagonal(w[0].swapaxes(0, 1).reshape(4, -1)))
    layer = measured(*paths, "gaussian:cov=diag", "layer")[0]
    assert (layer.value, layer.dim) == (pytest.approx(0.5 * np.sum(moved**2 / variances), rel=1e-12), 48)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (EMBEDDING, "table is an embedding, whose rows are entries of a table: leave it out with --exclude table"),
        (GROUPED_TRANSPOSED, "table is a grouped transposed convolution, .*: leave it out with --exclude table"),
    ],
)
def test_layers_without_filters_are_named_before_the_first_record(tmp_path, kind, words):
    paths = [
        saved(tmp_path / f"{n}.safetensors", {**weights(n), "table": np.full((4, 2, 1), n)}, {**KINDS, "table": kind})
        for n in (0, 1)
    ]
    found = Divergences(DivergenceConfig("ap2", level="filter", layers="fc,table")).records(*map(read, paths))
    with pytest.raises(UsageError, match=f"^--level filter: {words}$"):
        next(found)
    assert len(measured(*paths, "ap2", layers="fc,table", exclude="table")) == 5
    assert len(measured(*paths, "ap2", "layer", layers="fc,table")) == 2


def test_too_many_groups_are_refused_before_the_first_record(files):
    found = Divergences(DivergenceConfig("ap2,gaussian:groups=9", level="filter")).records(*map(read, files))
    with pytest.raises(UsageError, match=r"groups=9: a filter of layer fc has only 8 weights: choose fewer groups"):
        next(found)


def test_groups_are_checked_by_the_outputs_of_a_transposed_convolution():
    choices = [DISTRIBUTIONS.parse("ap2:groups=12")]
    check_filters([Layer("up", "up.weight", (3, 4, 2, 2), TRANSPOSED)], choices)
    with pytest.raises(UsageError, match="only 8 weights"):
        check_filters([Layer("up", "up.weight", (2, 3, 2, 2), TRANSPOSED)], choices)


def test_a_weight_that_is_no_number_is_counted_in_the_whole_tensor(files, tmp_path):
    broken = weights(1)
    broken["fc"][1:3] = math.nan
    found = Divergences(DivergenceConfig("ap2", level="filter"))
    with pytest.raises(ApcliError, match=r"c\.safetensors: tensor fc\.weight holds 16 NaN or Inf values"):
        next(found.records(read(files[0]), read(saved(tmp_path / "c.safetensors", broken))))


def test_a_record_says_how_its_filter_was_pruned(files):
    (pruned,) = prune(read(files[0]), PruneConfig((0.5,), exclude="grouped"), Outputs())
    after = {name: read(pruned).entries[f"{name}.weight"].values for name in SHAPES}
    found = measured(files[0], pruned, "ap2", "filter,layer")
    assert {r.layer for r in found} == {"conv", "fc"}
    assert {(r.method, r.sparsity.requested) for r in found} == {("lowest", 0.5)}
    for record in found:
        row = after[record.layer] if record.filter is None else after[record.layer][record.filter]
        assert record.sparsity.actual == np.mean(row == 0)
    assert [r.compared for r in found if r.layer == "fc"] == ["fc[0]", "fc[1]", "fc[2]", "fc[3]", "fc[4]", "fc"]


def test_a_compact_file_is_compared_as_the_masked_one(files, tmp_path):
    before = weights(0)
    masked = {**before, "conv": before["conv"].copy(), "fc": before["fc"].copy()}
    masked["conv"][[1, 4]] = 0
    masked["fc"][:, [0, 7]] = 0
    small = {**before, "conv": before["conv"][[0, 2, 3, 5]], "fc": before["fc"][:, 1:7]}
    kept = {"conv.weight": {"0": "0,2-3,5"}, "fc.weight": {"1": "1-6"}}
    paths = saved(tmp_path / "m.safetensors", masked), saved(tmp_path / "c.safetensors", small, kept=kept)
    wanted, found = (measured(files[0], path, "ap2,gaussian:cov=diag:pruned_cov=own", layers="all") for path in paths)
    assert values(found) == values(wanted)
    assert [r.sparsity for r in found] == [r.sparsity for r in wanted]
    assert values(found)["fc", 0] != 0


def test_bit_masks_are_unpacked(files):
    storages = [PruneConfig((0.9,), storage=storage) for storage in ("dense", "bitmask")]
    plain, packed = (measured(files[0], *prune(read(files[0]), how, Outputs()), "ap2,student-t") for how in storages)
    assert plain != packed
    assert [replace(r, pruned=plain[0].pruned) for r in packed] == plain


# ---- rows


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_rows_are_parts_of_the_bytes(dtype):
    array = np.arange(24.0).reshape(4, 3, 2)
    bits = (np.arange(24.0, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
    whole = Entry("BF16", (4, 3, 2), bits.view(np.uint8)) if dtype == "BF16" else entry(array, dtype)
    rows = rows_of(whole)
    assert [(row.dtype, row.shape, row.zeros) for row in rows] == [(dtype, (1, 3, 2), n) for n in (1, 0, 0, 0)]
    assert np.array_equal(np.concatenate([row.values for row in rows]), array)
    assert all(np.shares_memory(row.data, whole.data) for row in rows)


def test_filters_are_named_and_know_their_layer():
    layer = Layer("conv", "conv.weight", (2, 3), CONVOLUTION)
    t = Tensors(layer, entry([[1, 2, 3], [4, 5, 6]]), entry([[0, 2, 3], [4, 0, 0]]), ("a", "b"))
    found = filters_of(t)
    assert [(f.layer.name, f.layer.tensor, f.layer.shape) for f in found] == [
        ("conv[0]", "conv.weight", (1, 3)),
        ("conv[1]", "conv.weight", (1, 3)),
    ]
    assert all(f.whole is t for f in found)
    assert [f.pruned.zeros for f in found] == [1, 2]
    assert with_rows(t) is t
    swapped = with_rows(replace(t, layer=replace(layer, kind=TRANSPOSED)))
    assert (swapped.layer.shape, swapped.whole) == ((3, 2), swapped)
    assert swapped.dense.values.tolist() == [[1, 4], [2, 5], [3, 6]]

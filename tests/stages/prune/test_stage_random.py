"""Random masks of whole files follow their laws: over layers, positions, neighbours, blocks and seeds."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import stats

from apcli.checkpoints.files import entries
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.selection import exact, layer_masks, rankings
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune

pytestmark = pytest.mark.long  # hundreds of prunings, once for all

BLOCK = 16  # so that layers span several blocks, and none ends with one
SHAPES = {"a.weight": (9, 11), "b.weight": (5, 6, 2, 1), "c.weight": (9, 11), "d.weight": (3, 3)}
SIZES = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
TRIALS = 200
LIKELY = (1e-4, 1 - 1e-4)  # for each of the statistics here


@pytest.fixture(scope="module", autouse=True)
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        for module in (entries, rankings, exact, layer_masks):
            patch.setattr(module, "BLOCK", BLOCK)
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Types of different widths, and weights of which none is zero."""
    folder = tmp_path_factory.mktemp("source")
    draw = np.random.default_rng(0)
    kinds = dict(zip(SHAPES, (np.float32, np.float16, np.float32, np.float64), strict=True))
    save_file({n: draw.uniform(1, 2, s).astype(kinds[n]) for n, s in SHAPES.items()}, folder / "net.safetensors")
    return folder / "net.safetensors"


def removed(source: Path, folder: Path, **options: object) -> dict[str, np.ndarray]:
    """Whether each weight is removed, by tensor, [seeds, size]."""
    config = PruneConfig(seeds=tuple(range(TRIALS)), **options)
    files = [load_file(path) for path in prune(read(source), config, Outputs(folder))]
    return {name: np.stack([file[name].ravel() == 0 for file in files]) for name in SHAPES}


@pytest.fixture(scope="module")
def found(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("masks")
    (like,) = prune(read(source), PruneConfig((0.4,), scope="global"), Outputs(folder))
    options = {"method": "random", "sparsity": (0.4,)}
    return {
        "layer": removed(source, folder / "layer", **options),
        "global": removed(source, folder / "global", scope="global", **options),
        "like": removed(source, folder / "like", method="random-same-layers", like=str(like)),
        "of": {name: np.stack([tensor.ravel() == 0] * TRIALS) for name, tensor in load_file(like).items()},
    }


def test_the_counts_are_exact(found):
    for name, size in SIZES.items():
        assert (found["layer"][name].sum(1) == round(0.4 * size)).all()
        assert (found["like"][name].sum(1) == found["of"][name].sum(1)).all()
    total = sum(SIZES.values())
    assert (sum(masks.sum(1) for masks in found["global"].values()) == round(0.4 * total)).all()


def test_layers_share_the_global_count_as_draws_without_replacement_do(found):
    total, gone = sum(SIZES.values()), round(0.4 * sum(SIZES.values()))
    for name, size in SIZES.items():
        law = stats.hypergeom(total, size, gone)
        counts = found["global"][name].sum(1)
        edges = np.unique(law.ppf([0.2, 0.4, 0.6, 0.8])).tolist()
        seen = np.histogram(counts, [-np.inf, *(edge + 0.5 for edge in edges), np.inf])[0]
        expected = TRIALS * np.diff([0, *law.cdf(edges), 1])
        assert stats.chisquare(seen, expected).pvalue > LIKELY[0], name


@pytest.mark.parametrize("how", ["layer", "global", "like"])
def test_no_position_and_no_block_is_favoured(found, how):
    """Given how many go each time, the sum of squares over the n positions is chi-square with n - 1 degrees."""
    for name, size in SIZES.items():
        masks = found[how][name]
        shares = masks.mean(1)
        variance = (shares * (1 - shares)).sum() * size / (size - 1)
        statistic = ((masks.sum(0) - shares.sum()) ** 2).sum() / variance
        assert LIKELY[0] < stats.chi2(size - 1).sf(statistic) < LIKELY[1], name


@pytest.mark.parametrize("how", ["layer", "like"])
@pytest.mark.parametrize("distance", [1, 2, BLOCK, 11])
def test_neighbours_and_the_same_place_of_other_blocks_are_independent(found, how, distance):
    """Both of two positions go in k (k - 1) / n (n - 1) of the masks."""
    for name, size in SIZES.items():
        masks = found[how][name]
        if size <= distance + 8:
            continue
        k = int(masks[0].sum())
        both = (masks[:, distance:] & masks[:, :-distance]).mean()
        expected = k * (k - 1) / (size * (size - 1))
        pairs = TRIALS * (size - distance)
        assert abs(both - expected) < 6 * (expected * (1 - expected) / pairs) ** 0.5, name


@pytest.mark.parametrize("how", ["layer", "global", "like"])
def test_layers_of_one_shape_and_seeds_have_masks_of_their_own(found, how):
    one, other = found[how]["a.weight"], found[how]["c.weight"]
    share = one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean())
    agreed = (one == other).mean()
    assert abs(agreed - share) < 6 * (share * (1 - share) / one.size) ** 0.5
    assert len({mask.tobytes() for mask in one}) > 0.99 * TRIALS


def test_the_seed_is_all_that_matters(source, found, tmp_path):
    again = prune(read(source), PruneConfig((0.4,), method="random", seeds=(7, 3)), Outputs(tmp_path))
    for path, seed in zip(again, (7, 3), strict=True):
        for name, tensor in load_file(path).items():
            assert np.array_equal(tensor.ravel() == 0, found["layer"][name][seed])

"""The prune stage on real files: exact counts, which weights go, what stays bit-identical, and what the file says."""

import json
import math
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from marked import slow_but
from oracles import removed_by_sort
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy import stats
from torch import nn

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate
from apcli.allocations.budgets import Sparsity
from apcli.allocations.scopes import by_rows
from apcli.allocations.units import Context, Unit
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link, Promise, Settings
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.criteria import METHODS
from apcli.errors import ApcliError, UsageError
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune

DTYPES = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
SPARSITIES = (0.0, 0.1, 0.5, 0.61, 0.999)
INTEGER = {8: torch.int64, 4: torch.int32, 2: torch.int16}


def adversarial(kind: str, size: int, dtype: torch.dtype) -> torch.Tensor:
    draw = torch.Generator().manual_seed(size)
    normal = torch.randn(size, generator=draw, dtype=torch.float64)
    if kind == "equal":
        return torch.full((size,), -0.75, dtype=dtype)
    if kind == "zeros":
        normal[torch.randperm(size, generator=draw)[: int(0.6 * size)]] = 0
    elif kind == "signed zeros":
        normal[::3] = -0.0
        normal[1::5] = 0.0
    elif kind == "rounded":
        normal = (normal * 4).round() / 4
    elif kind == "denormal":
        bits = torch.arange(1, size + 1) % 97 + 1
        tiny = bits.to(INTEGER[dtype.itemsize]).view(dtype)
        return torch.where(torch.arange(size) % 2 == 0, tiny, -tiny)
    return normal.to(dtype)


KINDS = ["normal", "equal", "zeros", "signed zeros", "rounded", "denormal"]


def network(folder: Path, kind: str = "normal", dtype: torch.dtype = torch.float32) -> tuple[Path, dict[str, Any]]:
    """A file of another program's: three prunable layers of 168, 55 and 1 weights, and what is not to be touched."""
    state = {
        "conv.weight": adversarial(kind, 168, dtype).reshape(8, 7, 3, 1),
        "conv.bias": torch.ones(8, dtype=dtype),
        "norm.weight": torch.zeros(1, 8, dtype=dtype),
        "norm.num_batches_tracked": torch.tensor(7),
        "fc.weight": adversarial(kind, 55, dtype).reshape(5, 11),
        "gate.weight": torch.full((1, 1), 0.5, dtype=dtype),
    }
    path = folder / "net.safetensors"
    save_file(state, path)
    return path, state


def run(path: Path, sparsity: float | tuple[float, ...], outputs: Outputs | None = None, **options: Any) -> list[Path]:
    levels = sparsity if isinstance(sparsity, tuple) else (sparsity,)
    return list(prune(read(path), PruneConfig(levels, **options), outputs or Outputs()))


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.flatten().view(INTEGER[tensor.element_size()])


def zeros(tensor: torch.Tensor) -> int:
    return int((tensor == 0).sum())


LAYERS = ["conv.weight", "fc.weight", "gate.weight"]
EVERY = "all,gate"  # one weight alone is taken where it is asked for
OF_FILE_ALONE = [row.name for row in METHODS if {"magnitudes", "layer"} & {*row.needs} and "like" not in row.needs]
SCOPE_SPECS = ["layer", "global", "output", "erk", "uniform+:first=gate:last=fc"]


def groups_of(scope: str, sparsity: float, state: dict[str, torch.Tensor]) -> list[tuple[torch.Tensor, int]]:
    """What is ranked together, as bool of all the layers' weights one after another, and how many of it go."""
    sizes = [state[name].numel() for name in LAYERS]
    owner = torch.repeat_interleave(torch.arange(len(LAYERS)), torch.tensor(sizes))
    if scope == "global":
        return [(owner >= 0, round(sparsity * len(owner)))]
    units = [Unit(name.removesuffix(".weight"), state[name].numel(), tuple(state[name].shape)) for name in LAYERS]
    counts = list(allocate(SCOPES.parse(scope), units, Sparsity(sparsity), Context()).values())
    if scope != "output":
        return [(owner == i, count) for i, count in enumerate(counts)]
    rows = [len(state[name]) for name in LAYERS]
    row = torch.cat([torch.arange(size) // (size // n) for size, n in zip(sizes, rows, strict=True)])
    return [
        ((owner == i) & (row == r), some)
        for i, (n, count) in enumerate(zip(rows, counts, strict=True))
        for r, some in enumerate(by_rows(count, n))
    ]


def test_the_scopes_here_are_all_of_a_file_alone():
    alone = [row.name for row in SCOPES if "activations" not in row.needs]
    assert [spec.partition(":")[0] for spec in SCOPE_SPECS] == alone


def grid() -> Iterator[Any]:
    """Every method, scope, type and kind of weights; in `make test` every method and scope with each kind once."""
    for number, (method, scope) in enumerate(product(OF_FILE_ALONE, SCOPE_SPECS)):
        for (i, kind), (j, dtype) in product(enumerate(KINDS), enumerate(DTYPES)):
            mark = pytest.mark.slow if (i + number) % len(DTYPES) == j else pytest.mark.long
            yield pytest.param(method, scope, dtype, kind, marks=mark)


@pytest.mark.parametrize(("method", "scope", "dtype", "kind"), list(grid()))
def test_exact_counts_and_nothing_else_moves(tmp_path, method, scope, dtype, kind):
    source, before = network(tmp_path, kind, DTYPES[dtype])
    original = source.read_bytes()
    previous = {name: before[name] == 0 for name in LAYERS}
    levels = SPARSITIES[:-1] if scope.startswith("uniform+") else SPARSITIES  # which keeps a fifth of fc
    for sparsity, path in zip(levels, run(source, levels, method=method, scope=scope, layers=EVERY), strict=True):
        after = load_file(path)
        assert after.keys() == before.keys()
        there, now = (torch.cat([state[name].flatten() == 0 for name in LAYERS]) for state in (before, after))
        for group, count in groups_of(scope, sparsity, before):
            assert int(now[group].sum()) == max(int(there[group].sum()), count)
        for name in before:
            assert after[name].dtype == before[name].dtype
            gone = (after[name] == 0) & (before[name] != 0)
            assert name in LAYERS or not gone.any()
            stays = ~gone.flatten() & ~((before[name] == 0).flatten() if name in LAYERS else gone.flatten())
            assert torch.equal(bits(after[name])[stays], bits(before[name])[stays])
            assert not bits(after[name])[gone.flatten()].any()  # +0.0
        for name in LAYERS:  # more sparsity only ever adds zeros
            assert not (previous[name] & (after[name] != 0)).any()
            previous[name] = after[name] == 0
    assert source.read_bytes() == original


@pytest.mark.slow
@pytest.mark.parametrize("dtype", slow_but(DTYPES, "f32"))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize(("method", "sign"), [("lowest", 1), ("highest", -1)])
def test_which_weights_go_by_a_stable_full_sort(tmp_path, method, sign, scope, kind, dtype):
    source, before = network(tmp_path, kind, DTYPES[dtype])
    (path,) = run(source, 0.7, method=method, scope=scope, layers=EVERY)
    after = load_file(path)
    for group in [LAYERS] if scope == "global" else [[name] for name in LAYERS]:
        weights = torch.cat([before[name].double().flatten() for name in group])
        scores = [-math.inf if w == 0 else sign * abs(w) for w in weights.tolist()]
        expected = removed_by_sort(scores, round(0.7 * len(scores))) | set(
            torch.nonzero(weights == 0).flatten().tolist()
        )
        found = torch.nonzero(torch.cat([after[name].flatten() for name in group]) == 0).flatten()
        assert set(found.tolist()) == expected


def test_zeros_count_as_removed_and_more_of_them_stay(tmp_path, caplog):
    source, before = network(tmp_path, "zeros")
    held = zeros(before["conv.weight"])
    for method in OF_FILE_ALONE:
        fewer, more = run(source, (0.3, 0.7), method=method, layers="conv")
        assert torch.equal(load_file(fewer)["conv.weight"], before["conv.weight"])
        assert read(fewer).lineage.pruned["conv.weight"].zeros == held == 100
        assert read(fewer).lineage.pruned["conv.weight"].actual == held / 168
        pruned = load_file(more)["conv.weight"]
        assert zeros(pruned) == round(0.7 * 168)
        assert not pruned[before["conv.weight"] == 0].any()
    assert "conv has more zeros than requested: they are kept" in caplog.text


def test_the_file_is_ordinary(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4))
    save_file(model.state_dict(), tmp_path / "net.safetensors")
    (path,) = run(tmp_path / "net.safetensors", 0.5)
    state = load_file(path)
    model.load_state_dict(state, strict=True)
    assert zeros(model[0].weight) == 108
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata.keys() == {"format", "apcli"}
    assert metadata["format"] == "pt"
    assert json.loads(metadata["apcli"])["pruned"].keys() == {"0.weight", "3.weight"}


def test_lineage_of_a_file_from_elsewhere(tmp_path):
    source, _ = network(tmp_path)
    (path,) = run(source, 0.3, Outputs(tmp_path / "out"), method="random", layers="conv,fc", exclude="fc", seeds=(5,))
    assert path == tmp_path / "out" / "net.random-0.3-conv+fc-not-fc.safetensors"
    lineage = read(path).lineage
    link = Link("../net.safetensors", read(source).sha256)
    assert lineage.parent == lineage.dense == link
    assert lineage.stage == "prune"
    asked = {"method": "random", "scope": "layer", "layers": "conv,fc", "exclude": "fc", "sparsity": 0.3, "seed": 5}
    assert lineage.settings == (Settings("prune", asked),)
    assert lineage.pruned == {"conv.weight": Promise(50, 168, "random", "layer", seed=5, requested=0.3)}
    assert (lineage.history, lineage.metrics, lineage.model, lineage.data) == ((), {}, None, None)


def test_pruning_a_pruned_file_keeps_the_first_dense_ancestor(tmp_path):
    source, _ = network(tmp_path)
    (once,) = run(source, 0.3, Outputs(tmp_path / "one"), layers="fc")
    (twice,) = run(once, 0.5, Outputs(tmp_path / "two" / "deep"), method="highest", layers="conv")
    lineage = read(twice).lineage
    assert lineage.parent == Link("../../one/net.lowest-0.3-fc.safetensors", read(once).sha256)
    assert lineage.dense == Link("../../net.safetensors", read(source).sha256)
    assert [step.options["method"] for step in lineage.settings] == ["lowest", "highest"]
    assert {name: p.method for name, p in lineage.pruned.items()} == {
        "fc.weight": "lowest",
        "conv.weight": "highest",
    }
    after = load_file(twice)
    assert (zeros(after["fc.weight"]), zeros(after["conv.weight"])) == (round(0.3 * 55), 84)
    (further,) = run(twice, 0.8, Outputs(tmp_path), layers="fc")
    assert not load_file(further)["fc.weight"][after["fc.weight"] == 0].any()
    assert zeros(load_file(further)["fc.weight"]) == 44


def test_what_the_dense_file_knows_is_handed_on_but_its_metrics(tmp_path):
    source, _ = network(tmp_path)
    made = Lineage.EMPTY.then(
        "train", {"epochs": 1}, model={"name": "own", "last": "fc.weight"}, data={"name": "digits"}, seed=9
    )
    write(
        tmp_path / "base.safetensors",
        read(source).entries,
        replace(made, metrics={"test": {"loss": 1.0, "accuracy": 9.0}}),
    )
    (path,) = run(tmp_path / "base.safetensors", 0.5, layers="last", method="random")
    lineage = read(path).lineage
    assert lineage.model == made.model
    assert lineage.data == made.data
    assert lineage.metrics == {}
    assert lineage.pruned.keys() == {"fc.weight"}
    assert lineage.pruned["fc.weight"].seed == lineage.settings[-1].options["seed"] == 9  # its own, unless asked


@pytest.mark.slow
@pytest.mark.parametrize("scope", SCOPE_SPECS)
@pytest.mark.parametrize("method", OF_FILE_ALONE)
def test_same_bytes_wherever_it_runs(tmp_path, method, scope):
    contents = []
    for folder in ("here", "there/deeper"):
        (tmp_path / folder).mkdir(parents=True)
        source, _ = network(tmp_path / folder)
        seeds = (3,) if "seed" in METHODS.row(method).needs else None
        (path,) = run(source, 0.4, method=method, scope=scope, seeds=seeds, layers=EVERY)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    header = contents[0][: 8 + int.from_bytes(contents[0][:8], "little")].decode(errors="replace")
    assert str(tmp_path) not in header
    assert socket.gethostname() not in header


def random_mask(path: Path, layer: str = "conv.weight") -> torch.Tensor:
    return load_file(path)[layer] == 0


def test_seeds_reach_the_random_mask(tmp_path):
    source, _ = network(tmp_path)
    paths = run(source, 0.5, method="random", seeds=(0, 1, 2))
    assert [path.name for path in paths] == [f"net.random-0.5.seed{seed}.safetensors" for seed in range(3)]
    masks = [random_mask(path) for path in paths]
    assert not any(torch.equal(masks[i], masks[j]) for i, j in [(0, 1), (0, 2), (1, 2)])
    (alone,) = run(source, 0.5, Outputs(tmp_path / "alone"), method="random", seeds=(2,))
    assert alone.name == "net.random-0.5.safetensors"
    assert torch.equal(random_mask(alone), masks[2])
    (unasked,) = run(source, 0.5, Outputs(tmp_path / "unasked"), method="random")
    assert torch.equal(random_mask(unasked), masks[0])


def test_a_layer_s_mask_does_not_depend_on_the_others(tmp_path):
    source, _ = network(tmp_path)
    (every,) = run(source, 0.5, method="random")
    (one,) = run(source, 0.5, Outputs(tmp_path / "one"), method="random", layers="fc")
    assert torch.equal(random_mask(every, "fc.weight"), random_mask(one, "fc.weight"))
    assert zeros(load_file(one)["conv.weight"]) == 0


def test_layers_of_equal_size_get_different_random_masks(tmp_path):
    save_file({f"{name}.weight": torch.ones(10, 10) for name in "abc"}, tmp_path / "net.safetensors")
    (path,) = run(tmp_path / "net.safetensors", 0.5, method="random")
    a, b, c = (random_mask(path, f"{name}.weight") for name in "abc")
    assert not torch.equal(a, b)
    assert not torch.equal(a, c)
    assert not torch.equal(b, c)


@pytest.mark.slow
def test_random_zeros_are_uniform_in_the_files(tmp_path):
    save_file({"a.weight": torch.ones(2, 5), "b.weight": torch.ones(10, 9)}, tmp_path / "net.safetensors")
    trials = 150
    paths = run(tmp_path / "net.safetensors", 0.3, method="random", scope="global", seeds=tuple(range(trials)))
    masks = torch.stack([torch.cat([random_mask(path, f"{n}.weight").flatten() for n in "ab"]) for path in paths])
    assert (masks.sum(1) == 30).all()
    found, law = masks[:, :10].sum(1).double().numpy(), stats.hypergeom(100, 10, 30)
    assert abs(found.mean() - law.mean()) < 4 * law.std() / math.sqrt(trials)
    counts = masks.sum(0).double().numpy()
    statistic = np.sum((counts - 0.3 * trials) ** 2) / (0.21 * trials) * 99 / 100
    assert 1e-4 < stats.chi2(99).sf(statistic) < 1 - 1e-4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("tensor", ["conv.weight", "fc.weight", "conv.bias", "norm.weight"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_inf_are_named_before_anything_is_written(tmp_path, tensor, bad, dtype):
    source, state = network(tmp_path, dtype=DTYPES[dtype])
    state[tensor].view(-1)[3] = bad
    save_file(state, source)
    with pytest.raises(ApcliError, match=rf"net\.safetensors: tensor {tensor} holds 1 NaN or Inf"):
        run(source, (0.1, 0.5), layers="fc")
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_second_run_keeps_and_another_is_refused(tmp_path):
    source, _ = network(tmp_path)
    (path,) = run(source, 0.5, method="random", seeds=(1,))
    first, stamp = path.read_bytes(), path.stat().st_mtime_ns
    assert run(source, 0.5, method="random", seeds=(1,)) == [path]
    assert path.stat().st_mtime_ns == stamp
    for other, difference in (
        ({"seeds": (2,)}, "seed 1 → 2"),
        ({"seeds": (1,), "scope": "global"}, "scope layer → global"),
    ):
        with pytest.raises(UsageError, match=rf"exists and was made with other settings \({difference}\)"):
            run(source, 0.5, method="random", **other)
    assert path.read_bytes() == first
    (replaced,) = run(source, 0.5, Outputs(overwrite=True), method="random", seeds=(2,))
    assert replaced == path
    assert path.read_bytes() != first
    save_file({"fc.weight": torch.ones(5, 11)}, source)
    with pytest.raises(UsageError, match=r"other settings \(net\.safetensors is another file now\)"):
        run(source, 0.5, method="random", seeds=(2,))


def test_sparsities_that_share_a_name_do_not_share_a_file(tmp_path):
    source, _ = network(tmp_path)
    config, paths = PruneConfig((0.1234561, 0.1234562)), []
    with suppress(UsageError):  # which says that both would be one file
        for path in prune(read(source), config, Outputs(tmp_path / "out", overwrite=True)):
            paths.append(path)
    assert len(paths) == len(set(paths)) > 0


def test_a_layer_without_weights_is_no_obstacle(tmp_path):
    state = {"fc.weight": torch.ones(4, 4), "none.weight": torch.empty(0, 4)}
    save_file(state, tmp_path / "net.safetensors")
    (path,) = run(tmp_path / "net.safetensors", 0.5)
    assert zeros(load_file(path)["fc.weight"]) == 8
    assert load_file(path)["none.weight"].shape == (0, 4)


def test_each_layer_has_a_result_in_which_it_alone_is_pruned(tmp_path):
    source, state = network(tmp_path)
    paths = run(source, (0.5, 0.9), layers="each")
    layers = list(dict.fromkeys(path.stem.rpartition("-")[2] for path in paths))
    assert len(paths) == 2 * len(layers)
    for path in paths:
        made = load_file(path)
        changed = [name for name in state if not torch.equal(made[name], state[name])]
        assert [name.removesuffix(".weight") for name in changed] == [path.stem.rpartition("-")[2]]
    assert run(source, 0.5, layers=layers[0]) == [paths[0]]  # it is there already

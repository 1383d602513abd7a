"""The prune stage's options: how much goes, whose zeros, whose values, in what structure and storage."""

from pathlib import Path

import pytest
import torch
from marked import slow_but
from prunings import SHAPES, run, zeros
from safetensors.torch import load_file, save_file
from scipy import stats
from short_trainings import quiet

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import InputConfig
from apcli.configs.training import FinetuneConfig, LoopConfig
from apcli.data.datasets import load
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import resolve
from apcli.networks import Networks
from apcli.stages.divergence.stage import Divergences
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.requests import check
from apcli.stages.prune.stage import prune

# How much


@pytest.mark.parametrize("scope", slow_but(["layer", "global", "erk", "output"], "layer"))
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2, 3.7, 10, 50])
def test_compression_is_exact_over_the_whole_model(source, ratio, scope):
    (path,) = run(source, compression=(ratio,), scope=scope)
    state = load_file(path)
    total = sum(tensor.numel() for tensor in state.values())
    nonzero = sum(int(tensor.count_nonzero()) for tensor in state.values())
    assert total == 1818
    slack = 0 if scope in ("global", "erk") else len(SHAPES) / 2  # each layer's count is a whole number
    assert abs(nonzero - round(total / ratio)) <= slack
    assert read(path).lineage.settings[-1].options["compression"] == ratio
    assert path.name == f"net.lowest-{ratio:g}x.safetensors"


def test_compression_counts_what_is_zero_elsewhere(source, tmp_path):
    (half,) = run(source, 0.5, layers="fc1")
    (path,) = run(half, compression=(2.0,), layers="conv,fc2", scope="global", folder=tmp_path / "out")
    assert sum(int(tensor.count_nonzero()) for tensor in load_file(path).values()) == 909
    assert zeros(path)["fc1"] == 600


def test_impossible_compressions_say_what_is_possible(source):
    with pytest.raises(UsageError, match=r"--compression 61 cannot be reached: .* at most 58\.65"):
        run(source, compression=(61.0,))
    with pytest.raises(UsageError, match=r"the chosen layers of .* have 300 of its 1818 parameters"):
        run(source, compression=(2.0,), layers="fc2")
    (emptied,) = run(source, 0.9, layers="fc1")
    with pytest.raises(UsageError, match="cannot be reached"):  # it is sparser than that already
        run(emptied, compression=(1.1,), layers="fc2")


def test_single_layers_with_and_without_the_others(source, tmp_path):
    (path,) = run(source, layer_sparsity=(("fc*", 0.5), ("fc2", 0.25)))
    assert zeros(path) == {"conv": 0, "fc1": 600, "fc2": 75}
    promises = read(path).lineage.pruned
    assert {name: promise.requested for name, promise in promises.items()} == {"fc1.weight": 0.5, "fc2.weight": 0.25}
    assert path.name == "net.lowest-by-layer.safetensors"
    (path,) = run(source, 0.75, layer_sparsity=(("fc2", 0.1),))
    assert zeros(path) == {"conv": 216, "fc1": 900, "fc2": 30}
    with pytest.raises(UsageError, match="--layer-sparsity"):
        run(source, layer_sparsity=(("fc9", 0.5),), folder=tmp_path / "out")
    with pytest.raises(UsageError, match="leave --scope global out"):
        run(source, 0.5, layer_sparsity=(("fc2", 0.5),), scope="global")


def test_a_missing_network_is_said(source):
    with pytest.raises(ValueError, match="taylor runs the network"):
        list(prune(read(source), PruneConfig((0.5,), "taylor"), Outputs()))


def test_min_keep_under_global_hands_the_rest_to_the_others(tmp_path):
    state = {"tiny.weight": torch.full((5, 5), 0.01), "large.weight": torch.ones(10, 10)}
    state["tiny.weight"] += torch.arange(25).reshape(5, 5) / 1e5
    save_file(state, tmp_path / "net.safetensors")
    for min_keep, kept in ((3, 3), (0.2, 5)):
        (path,) = run(
            tmp_path / "net.safetensors", 0.6, scope="global", min_keep=min_keep, folder=tmp_path / str(min_keep)
        )
        after = load_file(path)
        assert after["tiny.weight"].count_nonzero() == kept
        assert (after["tiny.weight"] == 0).sum() + (after["large.weight"] == 0).sum() == 75
        assert after["tiny.weight"].flatten()[-kept:].all()  # the largest stay
    with pytest.raises(UsageError, match="--min-keep"):
        PruneConfig((0.5,), min_keep=-1)


# Whose zeros


def test_random_control_has_as_many_zeros_in_each_layer(source, tmp_path):
    (like,) = run(source, 0.6, scope="global")
    (control,) = run(source, like=str(like), seeds=(4,))
    assert zeros(control) == zeros(like)
    assert len(set(zeros(like).values())) == 3
    assert not torch.equal(load_file(control)["fc1.weight"] == 0, load_file(like)["fc1.weight"] == 0)
    promise = read(control).lineage.pruned["fc1.weight"]
    assert (promise.method, promise.seed, promise.requested) == ("random-same-layers of lowest", 4, 0.6)
    (again,) = run(source, like=str(like), seeds=(4,), folder=tmp_path / "again")
    assert torch.equal(load_file(again)["fc1.weight"], load_file(control)["fc1.weight"])


@pytest.mark.slow
def test_random_control_is_uniform(tmp_path):
    save_file({"a.weight": torch.ones(5, 4), "b.weight": torch.ones(6, 6)}, tmp_path / "net.safetensors")
    (like,) = run(tmp_path / "net.safetensors", 0.3, layer_sparsity=(("b", 0.5),))
    paths = run(tmp_path / "net.safetensors", like=str(like), seeds=tuple(range(120)), folder=tmp_path / "out")
    masks = torch.stack([load_file(path)["a.weight"].flatten() == 0 for path in paths])
    assert (masks.sum(1) == 6).all()
    counts = masks.sum(0).double().numpy()
    statistic = ((counts - 36) ** 2).sum() / (0.21 * 120) * 19 / 20
    assert 1e-4 < stats.chi2(19).sf(statistic) < 1 - 1e-4


# Whose values


# Structure


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "timm:test_efficientnet"])
def test_masked_and_compact_channels_compute_the_same(tmp_path, name):
    data = load("digits", Path())
    spec = resolve(name, data.images, InputConfig(input_size=32))
    dense = tmp_path / "net.safetensors"
    torch.manual_seed(0)
    lineage = Lineage.EMPTY.then("train", {}, model=spec.to_json(), data=data.description, seed=0)
    write(dense, entries_of(build(spec).state_dict()), lineage)
    logits = {}
    for compact in (False, True):
        pruning = PruneConfig((0.5,), structure="filter", compact=compact, device="cpu")
        check(pruning, Outputs())
        (path,) = prune(read(dense), pruning, Outputs(), NetworkScores(pruning, quiet))
        checkpoint = read(path)
        loaded = Networks(pruning.data, None, torch.device("cpu"), quiet).network(spec, checkpoint)
        images = torch.randn(4, *spec.input_size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            logits[compact] = loaded.eval()(images)
        assert path.name.endswith("filter.compact.safetensors" if compact else "filter.safetensors")
        if compact:
            assert checkpoint.lineage.kept
            assert path.stat().st_size < 0.7 * dense.stat().st_size
        else:
            assert {k: v.shape for k, v in load_file(path).items()} == {k: v.shape for k, v in load_file(dense).items()}
    torch.testing.assert_close(logits[True], logits[False], rtol=1e-4, atol=1e-4)
    assert logits[True].std() > 0


# Storage


def test_every_stage_reads_a_packed_file(digits, tmp_path):
    records = {}
    for storage in ("dense", "bitmask"):
        (path,) = run(digits, 0.7, layers="fc4,fc5", storage=storage, folder=tmp_path / storage)
        loop = LoopConfig(epochs=0, device="cpu")
        tuned = Finetuner(FinetuneConfig(loop=loop), Outputs(tmp_path / f"{storage}-tuned"), quiet).finetune(read(path))
        assert zeros(tuned, ["fc4.weight", "fc5.weight"]) == {"fc4": 1680, "fc5": 280}
        config = DivergenceConfig("ap2,gaussian")
        records[storage] = [
            (record.layer, record.dist, record.value)
            for record in Divergences(config).records(read(digits), read(path))
        ]
        (further,) = run(path, 0.8, layers="fc5", folder=tmp_path / f"{storage}-further")
        assert zeros(further, ["fc5.weight"]) == {"fc5": 320}
        records[storage].append({name: tensor.tolist() for name, tensor in load_file(tuned).items() if "fc5" in name})
    assert records["dense"] == records["bitmask"]

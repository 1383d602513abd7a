"""The prune stage's options: how much goes, whose zeros, whose values, in what structure and storage."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import InputConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.data.datasets import load
from apcli.errors import ApcliError, UsageError
from apcli.models.build import build
from apcli.models.spec import resolve
from apcli.networks import Networks
from apcli.stages.divergence.stage import Divergences
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.requests import check
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

SHAPES = {"conv.weight": (8, 4, 3, 3), "fc1.weight": (30, 40), "fc2.weight": (10, 30)}


def quiet(line: str, share: float | None = None) -> None:
    assert "\n" not in line


def network(path: Path, seed: int = 0, scale: float = 1) -> Path:
    """A file of 1818 numbers, of which 288, 1200 and 300 are prunable weights and 30 are biases of one."""
    draw = torch.Generator().manual_seed(seed)
    state = {name: scale * torch.randn(shape, generator=draw) for name, shape in SHAPES.items()}
    save_file({**state, "fc1.bias": torch.full((30,), float(scale))}, path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return network(tmp_path / "net.safetensors")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    (path,) = train(TrainConfig(ModelConfig("fc5"), loop=LoopConfig(epochs=0, device="cpu")), Outputs(folder), quiet)
    return path


def run(source: Path, *sparsities: float, folder: Path | None = None, **options: Any) -> list[Path]:
    config, outputs = PruneConfig(sparsities, **options), Outputs(folder)
    check(config, outputs)
    return list(prune(read(source), config, outputs))


def zeros(path: Path, names: Iterable[str] = SHAPES) -> dict[str, int]:
    state = load_file(path)
    return {name.removesuffix(".weight"): int((state[name] == 0).sum()) for name in names}


# How much


@pytest.mark.parametrize("scope", ["layer", "global", "erk", "output"])
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


@pytest.mark.parametrize(
    "options, words",
    [
        ({"method": "movement"}, "apcli finetune --method movement"),
        ({"method": "random-same-layers"}, "needs --like FILE"),
        ({"method": "nearest"}, "unknown method 'nearest'"),
        ({"scope": "everything"}, "unknown scope 'everything'"),
        ({"method": "lowest", "seeds": (1,)}, "lowest draws nothing"),
        ({"method": "sparsegpt", "min_keep": 3.0}, "leave --rewind-to and --min-keep out"),
        ({"method": "synflow", "layer_sparsity": (("fc1", 0.5),)}, "prunes in steps"),
        ({"device": "cpu"}, "needs no network"),
        (
            {"structure": "filter", "scope": "erk"},
            r"erk with --structure filter: it goes by .*: expected layer or global",
        ),
        ({"structure": "filter", "scope": "output"}, "it spreads zeros over the inputs of each output unit"),
        ({"structure": "filter", "scope": "uniform+"}, "it needs a first and a last layer"),
    ],
)
def test_the_operation_refuses_what_the_command_refuses(source, options, words):
    before = set(source.parent.iterdir())
    with pytest.raises(UsageError, match=words):
        list(prune(read(source), PruneConfig((0.5,), **options), Outputs()))
    assert set(source.parent.iterdir()) == before


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


def test_min_keep_by_layer_keeps_more_than_was_asked_for(source, caplog):
    (path,) = run(source, 0.99, min_keep=20)
    assert zeros(path) == {"conv": 268, "fc1": 1180, "fc2": 280}
    assert "conv keeps 20 of 288, the least allowed (see --min-keep), instead of losing 285" in caplog.text


def test_a_collapsed_layer_is_named(tmp_path, caplog):
    save_file({"low.weight": torch.full((2, 2), 1e-3), "high.weight": torch.ones(4, 4)}, tmp_path / "net.safetensors")
    run(tmp_path / "net.safetensors", 0.5, scope="global")
    assert "low loses all its weights: see --min-keep" in caplog.text
    assert "high loses" not in caplog.text


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


def test_the_mask_of_another_file(source, tmp_path):
    other = network(tmp_path / "other.safetensors", seed=1)
    (masked,) = run(other, 0.5)
    (path,) = run(source, mask_from=str(masked))
    for name in SHAPES:
        mask, own, after = (load_file(p)[name] for p in (masked, source, path))
        assert torch.equal(after, torch.where(mask == 0, 0, own))
    assert read(path).lineage.pruned["fc1.weight"].method == "mask of lowest"
    assert path.name == "net.mask.other.lowest-0.5.safetensors"
    assert torch.equal(load_file(path)["fc1.bias"], load_file(source)["fc1.bias"])
    (own_zeros,) = run(source, 0.5, method="highest", folder=tmp_path / "own")
    (both,) = run(own_zeros, mask_from=str(masked), folder=tmp_path / "both")
    gone = [load_file(p)["fc1.weight"] == 0 for p in (own_zeros, masked, both)]
    assert torch.equal(gone[2], gone[0] | gone[1])


def test_another_network_s_file_is_refused(source, tmp_path):
    save_file({name: torch.zeros(2, 2) for name in SHAPES}, tmp_path / "other.safetensors")
    for option in ("like", "mask_from", "rewind_to"):
        amount = (0.5,) if option == "rewind_to" else ()
        with pytest.raises(ApcliError, match=rf"--{option.replace('_', '-')} .*other.*is not that of"):
            run(source, *amount, **{option: str(tmp_path / "other.safetensors")})


# Whose values


@pytest.mark.parametrize("earlier", [False, True])
def test_rewinding_keeps_the_mask_and_takes_the_values(source, tmp_path, earlier):
    initial = network(tmp_path / "initial.safetensors", seed=5, scale=3)
    if earlier:
        (source,) = run(source, 0.5, layers="fc1")
    (plain,) = run(source, 0.8, layers="conv,fc1", folder=tmp_path / "plain")
    (path,) = run(source, 0.8, layers="conv,fc1", rewind_to=str(initial))
    assert path.name.endswith(".lowest-0.8.rewound.safetensors")
    for name in SHAPES:
        gone = load_file(plain)[name] == 0
        assert torch.equal(load_file(path)[name], torch.where(gone, 0, load_file(initial)[name]))
    assert (load_file(path)["fc1.bias"] == 3).all()
    promises = read(path).lineage.pruned
    assert {promises[f"{layer}.weight"].method for layer in ("conv", "fc1")} == {"lowest rewound"}
    assert read(path).lineage.settings[-1].options["rewind_to"] == read(initial).sha256


def test_rewinding_keeps_zeros_of_layers_that_are_not_chosen(source, tmp_path):
    initial = network(tmp_path / "initial.safetensors", seed=5, scale=3)
    (once,) = run(source, 0.5, layers="fc1")
    (path,) = run(once, 0.5, layers="conv", rewind_to=str(initial))
    assert zeros(path) == {"conv": 144, "fc1": 600, "fc2": 0}


# Structure


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (1, 2), (3, 8)])
@pytest.mark.parametrize("method", ["lowest", "highest", "random", "lamp"])
def test_n_of_every_m_inputs(source, tmp_path, method, n, m, caplog):
    (path,) = run(source, method=method, structure=f"{n}:{m}", folder=tmp_path / "out")
    after, before = load_file(path), load_file(source)
    suited = [name for name, shape in SHAPES.items() if shape[1] % m == 0]
    for name, shape in SHAPES.items():
        if name not in suited:
            assert torch.equal(after[name], before[name])
            assert name.removesuffix(".weight") in caplog.text
            continue
        groups = after[name].reshape(shape[0], shape[1], -1).transpose(1, 2).reshape(-1, m)
        assert ((groups != 0).sum(1) == n).all()
        if method != "random":
            magnitudes = before[name].reshape(shape[0], shape[1], -1).transpose(1, 2).reshape(-1, m).abs()
            expected = magnitudes.topk(n, 1, largest=method != "highest").values.sort(1).values
            assert torch.equal(groups.abs().sort(1).values[:, m - n :], expected)
    assert read(path).lineage.pruned.keys() == set(suited)


def test_no_layer_suits_the_pattern(source):
    with pytest.raises(UsageError, match=r"no layer of .* has a multiple of 7 inputs"):
        run(source, structure="2:7")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "timm:test_efficientnet"])
def test_masked_and_compact_channels_compute_the_same(tmp_path, name):
    data = load("digits", Path())
    spec = resolve(name, data.images, InputConfig(input_size=32))
    dense = tmp_path / "net.safetensors"
    torch.manual_seed(0)
    lineage = Lineage.EMPTY.then("train", {}, model=spec.as_dict(), data=data.description, seed=0)
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


def test_packing_and_unpacking_gives_the_same_bytes(digits, tmp_path):
    (dense,) = run(digits, 0.9, method="random", seeds=(3,), folder=tmp_path / "dense")
    (packed,) = run(digits, 0.9, method="random", seeds=(3,), storage="bitmask", folder=tmp_path / "packed")
    assert packed.name == "fc5-digits.random-0.9.bitmask.safetensors"
    assert packed.stat().st_size < dense.stat().st_size / 5
    (back,) = run(packed, 0.0, storage="dense", folder=tmp_path / "back")
    assert back.name == dense.name
    before, after = read(dense), read(back)
    assert load_file(back).keys() == load_file(dense).keys()
    for name, tensor in load_file(dense).items():
        assert torch.equal(load_file(back)[name], tensor)
        assert torch.equal(torch.from_numpy(read(packed).entries[name].values.copy()).reshape(tensor.shape), tensor)
    assert before.lineage.pruned == after.lineage.pruned
    (repacked,) = run(dense, 0.0, storage="bitmask", folder=tmp_path / "repacked")
    (unpacked,) = run(repacked, 0.0, folder=tmp_path / "unpacked")
    assert unpacked.read_bytes() == back.read_bytes() == dense.read_bytes()
    assert repacked.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("storage", ["dense", "bitmask"])
def test_sparsity_0_changes_no_bit(tmp_path, storage, caplog):
    """Of a file where no tensor packs, and of one that is not packed at all: -0.0 stays -0.0."""
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    weight[0, :2] = torch.tensor([-0.0, 0.0])
    save_file({"fc.weight": weight, "fc.bias": torch.tensor([-0.0])}, tmp_path / "net.safetensors")
    (first,) = run(tmp_path / "net.safetensors", 0.0, storage=storage, folder=tmp_path / "first")
    (second,) = run(first, 0.0, folder=tmp_path / "second")
    for path in (first, second):
        assert load_file(path)["fc.weight"].view(torch.int32).tolist() == weight.view(torch.int32).tolist()
        assert load_file(path)["fc.bias"].signbit().all()
    assert ("no tensor is smaller as a bit mask" in caplog.text) == (storage == "bitmask")


def test_a_zero_that_goes_keeps_its_sign_and_a_weight_becomes_plus_zero(tmp_path):
    save_file({"fc.weight": torch.tensor([[-0.0, -0.1], [-3.0, 4.0]])}, tmp_path / "net.safetensors")
    (path,) = run(tmp_path / "net.safetensors", 0.5)
    after = load_file(path)["fc.weight"]
    assert after.tolist() == [[0, 0], [-3, 4]]
    assert after.signbit().tolist() == [[True, False], [True, False]]


def test_nothing_to_repack_is_refused(source, tmp_path):
    (packed,) = run(source, 0.5, storage="bitmask")
    with pytest.raises(UsageError, match="stored as bitmask already"):
        run(packed, 0.0, storage="bitmask")


def test_every_stage_reads_a_packed_file(digits, tmp_path):
    records = {}
    for storage in ("dense", "bitmask"):
        (path,) = run(digits, 0.7, layers="fc4,fc5", storage=storage, folder=tmp_path / storage)
        loop = LoopConfig(epochs=0, device="cpu")
        tuned = Finetuner(FinetuneConfig(loop=loop), Outputs(tmp_path / f"{storage}-tuned"), quiet).finetune(read(path))
        assert zeros(tuned, ["fc4.weight", "fc5.weight"]) == {"fc4": 21000, "fc5": 700}
        config = DivergenceConfig("ap2,gaussian")
        records[storage] = [
            (record.layer, record.dist, record.value)
            for record in Divergences(config).records(read(digits), read(path))
        ]
        (further,) = run(path, 0.8, layers="fc5", folder=tmp_path / f"{storage}-further")
        assert zeros(further, ["fc5.weight"]) == {"fc5": 800}
        records[storage].append({name: tensor.tolist() for name, tensor in load_file(tuned).items() if "fc5" in name})
    assert records["dense"] == records["bitmask"]

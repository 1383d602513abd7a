"""Pruning by what the network says: every such method on the digits, with exact counts, and files that load."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from short_trainings import quiet

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate
from apcli.allocations.budgets import Sparsity
from apcli.allocations.units import Context, Unit
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.describe import CostsConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.training import LoopConfig, ModelConfig, TrainConfig
from apcli.criteria import METHODS
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.describe.costs import NetworkCosts
from apcli.stages.describe.description import describe
from apcli.stages.outputs import Outputs
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.requests import check, needs_data, needs_network
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

OF_NETWORK = [row.name for row in METHODS if "network" in row.needs]
SCORING = [name for name in OF_NETWORK if "reconstruction" not in METHODS.row(name).needs]
SPECS = {"synflow": "synflow:iterations=3"}
FEW = {"images": 32, "batch_size": 16, "device": "cpu"}
LAYERS = "fc3,fc4,fc5"


def made(folder: Path, model: str) -> Path:
    loop = LoopConfig(epochs=0, device="cpu")
    (path,) = train(TrainConfig(ModelConfig(model), loop=loop), Outputs(folder), quiet)
    return path


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dense"), "fc5")


@pytest.fixture(scope="module")
def convolutions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("convolutions"), "resnet20")


def run(source: Path, folder: Path, *sparsities: float, **options: Any) -> list[Path]:
    images = needs_data(PruneConfig(sparsities, **options))
    config = PruneConfig(sparsities, **{"device": "cpu", **(FEW if images else {}), **options})
    check(config, Outputs(folder))
    return list(prune(read(source), config, Outputs(folder), NetworkScores(config, quiet)))


def zeros(path: Path) -> dict[str, int]:
    checkpoint = read(path)
    return {layer.name: checkpoint.entries[layer.tensor].zeros for layer in prunable(checkpoint)}


def check_file(path: Path, source: Path, *, same_values: bool = True) -> None:
    """It loads strictly into its network, gives finite logits, and kept weights are the source's."""
    checkpoint, after, before = read(path), load_file(path), load_file(source)
    model = build(ModelSpec.from_json(checkpoint.lineage.model)).eval()
    model.load_state_dict(after, strict=True)
    shape = ModelSpec.from_json(checkpoint.lineage.model).input_size
    with torch.no_grad():
        assert model(torch.zeros(1, *shape)).isfinite().all()
    for name, tensor in before.items():
        if name not in checkpoint.lineage.pruned:
            assert torch.equal(after[name], tensor)
        elif same_values:
            assert torch.equal(after[name], torch.where(after[name] == 0, 0, tensor))
        else:
            assert after[name].dtype == tensor.dtype


@pytest.mark.slow
@pytest.mark.parametrize("method", OF_NETWORK)
def test_every_layer_loses_its_share_exactly(dense, tmp_path, method):
    paths = run(dense, tmp_path, 0.3, 0.8, method=SPECS.get(method, method), layers=LAYERS)
    assert needs_network(PruneConfig((0.3,), method))
    sizes = {layer.name: layer.size for layer in prunable(read(dense))}
    for sparsity, path in zip((0.3, 0.8), paths, strict=True):
        found = zeros(path)
        asked = {name: round(sparsity * size) if name in LAYERS.split(",") else 0 for name, size in sizes.items()}
        assert found == asked
        lineage = read(path).lineage
        assert lineage.pruned.keys() == {f"{name}.weight" for name in LAYERS.split(",")}
        assert {p.method.partition(":")[0] for p in lineage.pruned.values()} == {method}
        assert ("images" in lineage.settings[-1].options) == ("data" in METHODS.row(method).needs)
        check_file(path, dense, same_values="reconstruction" not in METHODS.row(method).needs)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["global", "erk", "output"])
@pytest.mark.parametrize("method", SCORING)
def test_other_scopes_are_exact_over_the_network(dense, tmp_path, method, scope):
    (path,) = run(dense, tmp_path, 0.7, method=SPECS.get(method, method), scope=scope, layers="fc4,fc5")
    found = zeros(path)
    assert found["fc4"] + found["fc5"] == round(0.7 * 2400) + round(0.7 * 400)
    assert found["fc1"] == 0
    if scope != "global":
        units = [Unit("fc4", 2400, (40, 60)), Unit("fc5", 400, (10, 40))]
        counts = allocate(SCOPES.parse(scope), units, Sparsity(0.7), Context())
        assert {name: found[name] for name in counts} == counts
    if scope == "output":
        rows = (load_file(path)["fc4.weight"] == 0).sum(1)
        assert rows.tolist() == [42] * 40
    check_file(path, dense)


@pytest.mark.slow
@pytest.mark.parametrize("method", OF_NETWORK)
def test_convolutions(convolutions, tmp_path, method):
    names = [layer.name for layer in prunable(read(convolutions))]
    layers = ",".join([names[-3], names[-1]])
    (path,) = run(convolutions, tmp_path, 0.5, method=SPECS.get(method, method), layers=layers)
    sizes = {layer.name: layer.size for layer in prunable(read(convolutions))}
    assert {name: count for name, count in zeros(path).items() if count} == {
        name: sizes[name] // 2 for name in layers.split(",")
    }
    check_file(path, convolutions, same_values=method != "sparsegpt")


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("method", [SPECS.get(name, name) for name in OF_NETWORK])
def test_counts_are_exact_on_weights_that_are_alike_rounded_tiny_or_zero(dense, tmp_path, method, scope):
    """Many scores are equal or zero then; of both zeros in fc4 none is counted twice."""
    if scope == "global" and method == "sparsegpt":
        return
    tensors = load_file(dense)
    index = torch.arange(tensors["fc3.weight"].numel()).view_as(tensors["fc3.weight"])
    tensors["fc3.weight"] = torch.where(index % 2 == 0, 0.05, -0.05)
    tensors["fc4.weight"] = (tensors["fc4.weight"] * 20).round() / 20
    tensors["fc4.weight"].view(-1)[::3], tensors["fc4.weight"].view(-1)[1::7] = 0.0, -0.0
    tensors["fc5.weight"] *= 2.0**-130  # denormal
    source = tmp_path / "odd.safetensors"
    write(source, entries_of(tensors), read(dense).lineage)
    (path,) = run(source, tmp_path, 0.8, method=method, scope=scope, layers=LAYERS)
    found, sizes = zeros(path), {name: tensors[f"{name}.weight"].numel() for name in LAYERS.split(",")}
    if scope == "layer":
        assert {name: found[name] for name in sizes} == {name: round(0.8 * size) for name, size in sizes.items()}
    assert sum(found[name] for name in sizes) == round(0.8 * sum(sizes.values()))
    check_file(path, source, same_values=method != "sparsegpt")


@pytest.mark.parametrize("method", ["taylor", "synflow:iterations=3", "sparsegpt"])
def test_the_same_bytes_twice(dense, tmp_path, method):
    contents = [run(dense, tmp_path / f, 0.5, method=method, layers="fc4,fc5")[0].read_bytes() for f in ("one", "two")]
    assert contents[0] == contents[1]


def test_no_network_method_draws_but_random_beside_one_does(dense, tmp_path):
    with pytest.raises(UsageError, match="draws nothing"):
        run(dense, tmp_path, 0.5, method="taylor", seeds=(0, 1))
    paths = run(dense, tmp_path, 0.5, method="snip,random", seeds=(0, 1), layers="fc5")
    assert [path.name.removeprefix(dense.stem) for path in paths] == [
        ".snip-0.5-fc5.safetensors",
        ".random-0.5-fc5.seed0.safetensors",
        ".random-0.5-fc5.seed1.safetensors",
    ]
    masks = [load_file(path)["fc5.weight"] == 0 for path in paths]
    assert not torch.equal(masks[1], masks[2])
    assert not torch.equal(masks[0], masks[1])


@pytest.mark.parametrize("method", ["sparsegpt", "wanda"])
def test_two_of_every_four_inputs(dense, tmp_path, method):
    (path,) = run(dense, tmp_path, method=method, structure="2:4", layers="fc4,fc5")
    for name in ("fc4.weight", "fc5.weight"):
        weight = load_file(path)[name]
        assert ((weight.reshape(-1, 4) == 0).sum(1) == 2).all()
    assert read(path).lineage.pruned["fc4.weight"].requested == 0.5
    assert "2of4" in path.name
    assert read(path).lineage.pruned["fc4.weight"].scope == "2:4"
    check_file(path, dense, same_values=method == "wanda")


@pytest.mark.parametrize("method", ["sparsegpt", "wanda"])
def test_layers_that_do_not_fit_the_pattern_are_left_alone_by_every_method(dense, tmp_path, method, caplog):
    (path,) = run(dense, tmp_path, method=method, structure="2:3", layers="fc4,fc5")  # of 60 and of 40 inputs
    before, after = load_file(dense), load_file(path)
    assert ((after["fc4.weight"].reshape(-1, 3) == 0).sum(1) == 1).all()
    assert torch.equal(before["fc5.weight"], after["fc5.weight"])
    assert read(path).lineage.pruned.keys() == {"fc4.weight"}
    assert "not pruned, because their inputs are no multiple of 3: fc5" in caplog.text


def test_sparsegpt_moves_the_kept_weights(dense, tmp_path):
    (path,) = run(dense, tmp_path, 0.5, method="sparsegpt", layers="fc4")
    after, before = load_file(path)["fc4.weight"], load_file(dense)["fc4.weight"]
    assert (after[after != 0] != before[after != 0]).any()
    with pytest.raises(
        UsageError, match=r"expected one of layer, erk, uniform\+, itpruner, whose counts need no scores"
    ):
        run(dense, tmp_path / "global", 0.5, method="sparsegpt", scope="global")
    for options in ({"rewind_to": str(dense)}, {"min_keep": 3}):
        with pytest.raises(UsageError, match="leave --rewind-to, --min-keep and --adjust out"):
            run(dense, tmp_path, 0.5, method="sparsegpt", **options)


def test_synflow_prunes_in_steps_and_without_data(dense, tmp_path):
    once, thrice = (
        load_file(run(dense, tmp_path, 0.9, method=f"synflow:iterations={n}", scope="global", layers=LAYERS)[0])
        for n in (1, 3)
    )
    assert any(not torch.equal(once[name] == 0, thrice[name] == 0) for name in ("fc3.weight", "fc4.weight"))
    assert all(thrice[f"{name}.weight"].any() for name in LAYERS.split(","))  # no layer collapses
    with pytest.raises(UsageError, match="prunes in steps"):
        run(dense, tmp_path, layer_sparsity=(("fc5", 0.5),), method="synflow")


@pytest.mark.parametrize(
    "options", [{"method": "synflow:iterations=2"}, {"method": "lookahead"}, {"structure": "filter", "exclude": "fc5"}]
)
def test_images_are_asked_for_only_where_they_are_looked_at(dense, tmp_path, options):
    lineage = read(dense).lineage
    source = tmp_path / "source.safetensors"
    write(source, read(dense).entries, replace(lineage, data={**lineage.data, "name": "usps"}))
    (path,) = run(source, tmp_path, 0.5, **options)
    check_file(path, source)
    with pytest.raises(UsageError, match="usps is not in data: add --download"):
        run(source, tmp_path, 0.5, method="lookahead,snip")
    assert not list(tmp_path.glob("*snip*"))


def test_one_run_of_the_network_serves_all_sparsities(dense, tmp_path):
    told: list[str] = []
    config = PruneConfig((0.1, 0.5, 0.9), "snip", layers="fc5", **FEW)
    paths = list(prune(read(dense), config, Outputs(tmp_path), NetworkScores(config, told.append)))
    assert len([line for line in told if line.startswith("snip of")]) == 1
    masks = [load_file(path)["fc5.weight"] == 0 for path in paths]
    assert (masks[0] <= masks[1]).all()
    assert (masks[1] <= masks[2]).all()


STEPPED = """
def stepped(subject):
    scores = {name: abs(subject.model.state_dict()[name].numpy()) for name in subject.tensors}
    kept = subject.choose(scores, 0.5)
    return {name: score * (1 - kept[name]) for name, score in scores.items()}

stepped.needs = ("network", "data", "steps")
"""


def test_a_criterion_that_asks_what_is_chosen_is_asked_for_every_amount_and_scope(dense, tmp_path):
    """One of the user's own, which prunes in steps: each file is the one that its amount and scope have alone."""
    (tmp_path / "own.py").write_text(STEPPED)
    own = {"method": f"{tmp_path / 'own.py'}:stepped", "layers": LAYERS}
    together = run(dense, tmp_path / "together", 0.2, 0.6, scope="layer,global", **own)
    alone = [
        run(dense, tmp_path / f"{scope}-{share}", share, scope=scope, **own)[0]
        for scope in ("layer", "global")
        for share in (0.2, 0.6)
    ]
    assert [zeros(path) for path in together] == [zeros(path) for path in alone]
    masks = [[{k: (v == 0).numpy().tobytes() for k, v in load_file(p).items()} for p in x] for x in (together, alone)]
    assert masks[0] == masks[1]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["fc5", "resnet20"])
def test_what_a_compact_network_saves_is_counted_and_said(model, dense, convolutions, tmp_path, caplog):
    """By its structure alone, and as ``apcli report`` counts it by running the network."""
    whole = dense if model == "fc5" else convolutions
    with caplog.at_level("INFO", "apcli"):
        (path,) = run(whole, tmp_path, 0.5, structure="filter", compact=True)
    facts = NetworkCosts(CostsConfig(), quiet).extend(describe(read(path)), read(path))
    assert 0 < facts.macs.dense < facts.macs.dense_file
    assert f"{facts.macs.dense:,} of {facts.macs.dense_file:,} multiply-adds (0." in caplog.text
    assert f"{facts.parameters:,} of {describe(read(whole)).parameters:,} parameters (0." in caplog.text
    assert f"{path.stat().st_size:,} of {whole.stat().st_size:,} bytes (0." in caplog.text
    assert "sparsity 0)" not in caplog.text


def test_a_network_that_needs_more_than_its_structure_is_not_counted(dense):
    networks = NetworkScores(PruneConfig((0.5,), device="cpu"), quiet)
    source = read(dense)
    spec = networks.networks.options.known_spec(source)
    assert networks.macs(spec, source) == sum(w.numel() for w in load_file(dense).values() if w.dim() == 2)
    assert networks.macs(replace(spec, input_size=(1, 9, 9)), source) is None

"""The layers that a built network has: in the lineage, and through every stage, tied and parametrised ones too."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from marked import slow_but
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.checkpoints.network_layers import LINEAR
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.criteria import METHODS
from apcli.errors import UsageError, VerificationError
from apcli.probes.costs import macs
from apcli.stages.describe.costs import with_macs
from apcli.stages.describe.description import describe
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

NETS = """
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.one, self.two, self.last = (
            nn.Linear(64, 16), nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 10)
        )
        self.two.weight = self.one.weight
        self.table = nn.Parameter(torch.ones(16, 16))

    def forward(self, x):
        x = self.one(self.first(x.flatten(1)).relu() * self.table[0]).relu()
        return self.last(self.two(x).relu())


def tied(**options):
    return Tied()


def of(layer):
    return nn.Sequential(nn.Flatten(), layer, nn.ReLU(), nn.Linear(16, 10))


def old_norm(**options):
    return of(weight_norm(nn.Linear(64, 16)))


def norm(**options):
    return of(parametrizations.weight_norm(nn.Linear(64, 16)))


def spectral(**options):
    return of(parametrizations.spectral_norm(nn.Linear(64, 16)))


def orthogonal(**options):
    return of(parametrizations.orthogonal(nn.Linear(64, 16)))


def masked(**options):
    layer = nn.Linear(64, 16)
    prune.l1_unstructured(layer, "weight", 0.5)
    return of(layer)
"""
STORED = {
    "old_norm": "1.weight_v",
    "norm": "1.parametrizations.weight.original1",
    "spectral": "1.parametrizations.weight.original",
    "masked": "1.weight_orig",
}


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "nets.py"
    path.write_text(NETS)
    return path


def made(nets: Path, name: str) -> Path:
    path = nets.parent / f"{name}.safetensors"
    if not path.exists():
        loop = LoopConfig(epochs=0, device="cpu")
        list(train(TrainConfig(ModelConfig(f"{nets}:{name}"), loop=loop), Outputs(path), quiet))
    return path


def bare(path: Path, to: Path) -> Path:
    save_file(load_file(path), to)
    return to


def pruned(path: Path, folder: Path, *, network: bool = False, **options: Any) -> Path:
    config = PruneConfig(**{"sparsity": (0.5,), **options})
    scores = NetworkScores(config, quiet) if network or config.model else None
    (made,) = prune(read(path), config, Outputs(folder), scores)
    return made


def finetuned(path: Path, nets: Path, name: str, epochs: int = 1, **options: Any) -> Path:
    loop = LoopConfig(epochs=epochs, batch_size=500, lr=0.1, device="cpu")
    config = FinetuneConfig(loop=loop, model=f"{nets}:{name}", **options)
    return Finetuner(config, Outputs(path.parent / "tuned"), quiet).finetune(read(path))


def zeros(path: Path, tensor: str) -> torch.Tensor:
    return load_file(path)[tensor] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", STORED)
def test_train_lists_the_layers_and_the_mask_goes_where_the_weight_becomes_zero(nets, tmp_path, name):
    source, tensor = made(nets, name), STORED[name]
    assert read(source).lineage.layers.by_name[tensor].kind == LINEAR
    path = pruned(source, tmp_path, method="random")
    assert read(path).lineage.layers == read(source).lineage.layers
    assert read(path).lineage.pruned.keys() == {tensor, "3.weight"}
    assert int(zeros(path, tensor).sum()) == 16 * 64 // 2
    tuned = finetuned(path, nets, name)
    assert read(tuned).lineage.layers == read(source).lineage.layers
    assert torch.equal(zeros(tuned, tensor), zeros(path, tensor))
    assert not torch.equal(load_file(tuned)[tensor], load_file(path)[tensor])


def test_what_no_zero_reaches_is_refused_and_the_rest_is_pruned_without_it(nets, tmp_path):
    with pytest.raises(UsageError, match=r"1 cannot be pruned: .*an orthogonal matrix.* with --exclude 1$"):
        pruned(made(nets, "orthogonal"), tmp_path)
    path = pruned(made(nets, "orthogonal"), tmp_path, exclude="1")
    assert read(path).lineage.pruned.keys() == {"3.weight"}


def test_a_row_of_a_normalised_weight_keeps_its_length(nets, tmp_path):
    with pytest.raises(UsageError, match=r"rows? of 1 would lose all weights, and weight norm divides by the length"):
        pruned(made(nets, "norm"), tmp_path, sparsity=(0.99,), layers="1")
    assert not list(tmp_path.iterdir())


ALL = [row.name for row in METHODS if not {"training", "like", "data"} & {*row.needs}]


@pytest.mark.slow
@pytest.mark.parametrize("layers", slow_but(["all", "one,first", "two"], "two"))
@pytest.mark.parametrize("method", ALL)
def test_tied_weights_have_one_mask_whichever_name_is_given(nets, tmp_path, method, layers):
    config = {"method": method, "layers": layers, "network": True, "model": f"{nets}:tied"}
    path = pruned(made(nets, "tied"), tmp_path, **config)
    assert torch.equal(load_file(path)["one.weight"], load_file(path)["two.weight"])
    assert int(zeros(path, "two.weight").sum()) == 128
    promised = read(path).lineage.pruned
    assert "two.weight" not in promised
    assert promised["one.weight"].zeros == 128
    tuned = finetuned(path, nets, "tied", epochs=0)
    assert torch.equal(zeros(tuned, "one.weight"), zeros(path, "one.weight"))


def test_tied_weights_count_once_and_cost_what_each_use_costs(nets, tmp_path):
    path = pruned(made(nets, "tied"), tmp_path, method="random", layers="two", sparsity=(0.75,))
    found = describe(read(path))
    sizes = {"first": 1024, "one": 256, "last": 160}
    assert {t.layer: t.size for t in found.tensors if t.layer} == sizes
    biases = 16 + 16 + 16 + 10
    assert found.parameters == sum(sizes.values()) + biases + 256  # and the table
    assert (found.prunable, found.kept) == (sum(sizes.values()), found.parameters - 192)
    network = NetworkScores(PruneConfig((0.5,), model=f"{nets}:tied"), quiet).of(read(path))
    costs = macs(network.model, torch.zeros(1, 1, 8, 8, device="meta"))
    found = with_macs(found, costs, costs.total, network.spec)
    assert {t.layer: t.macs for t in found.tensors if t.layer} == {**sizes, "one": 2 * 256}
    assert found.macs.nonzero == 1024 + 2 * 64 + 160
    assert next(t for t in found.tensors if t.name == "two.weight").macs is None


@pytest.mark.parametrize("method", ["lowest", "random"])
def test_the_same_selection_with_and_without_the_network(nets, tmp_path, caplog, method):
    """A bare file, told its network: as the file with the list; the table is no layer, and one name is one too many."""
    theirs = bare(made(nets, "tied"), tmp_path / "tied.safetensors")
    caplog.set_level(logging.INFO)
    listed = pruned(made(nets, "tied"), tmp_path / "listed", method=method)
    built = pruned(theirs, tmp_path / "built", method=method, model=f"{nets}:tied")
    assert "tied.safetensors: 3 layers; 2 tensors of two or more dimensions left alone: " in caplog.text
    assert caplog.text.count("without --model, apcli would take two too") == 1
    assert {n: t.tolist() for n, t in load_file(listed).items()} == {n: t.tolist() for n, t in load_file(built).items()}
    assert read(built).lineage.layers == read(listed).lineage.layers
    assert pruned(built, tmp_path / "again", method=method, sparsity=(0.75,))


def test_another_network_is_told(nets, tmp_path):
    with pytest.raises(UsageError, match=r"is not a .*norm, which has 1\.parametrizations.*: give the --model"):
        pruned(bare(made(nets, "tied"), tmp_path / "a.safetensors"), tmp_path, model=f"{nets}:norm")


def test_train_refuses_them_too(nets, tmp_path):
    path = pruned(bare(made(nets, "tied"), tmp_path / "tied.safetensors"), tmp_path, method="random")
    loop = LoopConfig(epochs=0, device="cpu")
    for weights in (path, bare(path, tmp_path / "bare.safetensors")):
        config = TrainConfig(ModelConfig(f"{nets}:tied"), loop=loop, weights=str(weights))
        with pytest.raises(VerificationError, match=r"one\.weight and two\.weight are one parameter"):
            list(train(config, Outputs(tmp_path / "made"), quiet))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("epochs", [0, 1])
def test_finetune_refuses_copies_of_one_parameter_with_other_zeros(nets, tmp_path, epochs):
    """Of a bare file ``random`` cannot know that two tensors are one; the network holds only one of their masks."""
    theirs = bare(made(nets, "tied"), tmp_path / "tied.safetensors")
    path = pruned(theirs, tmp_path, method="random")
    assert not torch.equal(zeros(path, "one.weight"), zeros(path, "two.weight"))
    for source in (path, bare(path, tmp_path / "bare.safetensors")):
        with pytest.raises(VerificationError, match=r"one\.weight and two\.weight are one parameter .*--model NAME"):
            finetuned(source, nets, "tied", epochs)
    assert not (tmp_path / "tuned").exists()


def test_finetune_of_a_bare_file_holds_the_zeros_of_what_its_modules_say(nets, tmp_path):
    state = load_file(made(nets, "tied"))
    for name in ("one.weight", "two.weight", "table", "first.bias"):
        state[name] = state[name].clone()
        state[name].view(-1)[::2] = 0
    save_file(state, tmp_path / "net.safetensors")
    tuned = finetuned(tmp_path / "net.safetensors", nets, "tied")
    assert read(tuned).lineage.pruned.keys() == {"one.weight"}
    assert torch.equal(zeros(tuned, "two.weight"), state["two.weight"] == 0)
    assert not torch.equal(load_file(tuned)["two.weight"], state["two.weight"])


def test_a_trace_and_growing_sparsity_know_tied_weights_as_one(nets, tmp_path):
    path = pruned(made(nets, "tied"), tmp_path, method="random")
    tuned = finetuned(path, nets, "tied", sparsity=0.8, layers="two,last", trace="two")
    assert read(tuned).lineage.pruned["one.weight"].zeros == round(0.8 * 256)
    assert torch.equal(load_file(tuned)["one.weight"], load_file(tuned)["two.weight"])
    trace = tuned.with_name(tuned.name.replace(".safetensors", ".trace.safetensors"))
    assert {name.partition("@")[0] for name in read(trace).entries} == {"one.weight"}
    assert read(trace).lineage.layers is None

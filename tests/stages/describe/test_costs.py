"""A network's multiply-adds and latency beside what its file says."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from apcli.checkpoints import reading
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.cli.texts.checkpoint import to_text
from apcli.configs.describe import CostsConfig
from apcli.errors import ApcliError, UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.probes.costs import Costs
from apcli.probes.latency import Latency
from apcli.progress import Progress
from apcli.records import lines
from apcli.records.checkpoint import CheckpointRecord, MacsFacts, TensorFacts
from apcli.stages.describe import costs as module
from apcli.stages.describe.costs import NetworkCosts, with_macs
from apcli.stages.describe.description import describe

FC5 = ModelSpec("fc5", "apcli", 10, (1, 8, 8), (0.0,), (1.0,))
RESNET = ModelSpec("resnet20", "apcli", 10, (3, 32, 32), (0.0,) * 3, (1.0,) * 3)
NETWORK = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(2, width, 3, bias=False)
        self.fc = nn.Linear(width, 3, bias=False)

    def forward(self, images):
        return self.fc(self.conv(images).mean(dim=(2, 3)))

def small():
    return Small(4)

def wide():
    return Small(8)
"""


def state_of(spec: ModelSpec) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: tensor.clone() for name, tensor in build(spec).state_dict().items()}


def saved(path: Path, given: dict[str, Tensor], lineage: Lineage = Lineage.EMPTY) -> Checkpoint:
    save_file(given, path, {"apcli": lineage.to_text()} if lineage.is_known else {})
    return reading.read(path)


def trained(spec: ModelSpec) -> Lineage:
    return Lineage.EMPTY.then("train", {}, model=spec.to_json())


def described(file: Checkpoint, **options: Any) -> CheckpointRecord:
    config = CostsConfig(**options)
    found = NetworkCosts(config, Progress()).extend(describe(file, config), file)
    assert lines.dump(found.to_json())
    assert to_text(found)
    return found


def pair(folder: Path, spec: ModelSpec = FC5) -> tuple[Checkpoint, Checkpoint]:
    """A dense file and one where every third weight of each layer is zero."""
    state = state_of(spec)
    dense = saved(folder / "dense.safetensors", state, trained(spec))
    for tensor in state.values():
        if tensor.dim() > 1:
            tensor.view(-1)[::3] = 0
    return dense, saved(folder / "pruned.safetensors", state, trained(spec).then("prune", {}, dense=dense.link(folder)))


@pytest.mark.parametrize("spec", [FC5, RESNET], ids=["fc5", "resnet20"])
def test_macs_of_a_network_that_the_lineage_names(tmp_path, spec):
    dense, pruned = pair(tmp_path, spec)
    before, after = described(dense), described(pruned)
    assert before.macs.dense == before.macs.nonzero == after.macs.dense == after.macs.dense_file
    assert before.macs.theoretical_speedup == 1
    assert after.macs.without_weights == 0
    assert after.macs.input_size == spec.input_size
    layers = [tensor for tensor in after.tensors if tensor.layer is not None]
    assert sum(layer.macs for layer in layers) == after.macs.dense
    assert sum(layer.nonzero_macs for layer in layers) == after.macs.nonzero
    for layer in layers:
        assert layer.macs % layer.size == 0
        assert layer.nonzero_macs == layer.macs // layer.size * layer.nonzero
        assert spec is RESNET or layer.macs == layer.size
    assert after.macs.theoretical_speedup == after.macs.dense / after.macs.nonzero
    assert all(tensor.macs is None for tensor in after.tensors if len(tensor.shape) < 2)
    if spec is RESNET:
        assert after.macs.dense == pytest.approx(40.8e6, rel=0.01)  # of He et al. 2016: 41 M


def test_products_without_weights_are_not_spared(tmp_path):
    counts = {"w": (10, 9), "empty": (0, 0), "whole": (4, None), "bias": (3, 3)}
    tensors = tuple(
        TensorFacts(name, "F32", (size,), size, layer=None, tied=(), left=None, zeros=zeros, nonzero=None)
        for name, (size, zeros) in counts.items()
    )
    found = replace(describe(saved(tmp_path / "a.safetensors", small())), tensors=tensors)
    costs = Costs(total=150, weights={"w": 100, "empty": 0, "whole": 40})
    extended = with_macs(found, costs, 300, FC5)
    assert extended.macs == MacsFacts(
        input_size=(1, 8, 8), dense=150, nonzero=60, without_weights=10, dense_file=300, theoretical_speedup=5.0
    )
    assert [(t.macs, t.nonzero_macs) for t in extended.tensors] == [(100, 10), (0, 0), (40, 40), (None, None)]
    assert found.tensors[0].macs is None
    nothing = with_macs(found, Costs(0, {}), 0, FC5)
    assert nothing.macs.theoretical_speedup is None


@pytest.mark.slow
def test_strangers(tmp_path):
    """Files of torchvision's and of our own networks without a lineage; the last layer tells the classes."""
    spec = ModelSpec("squeezenet1_1", "torchvision", 7, (3, 224, 224), (0.0,) * 3, (1.0,) * 3)
    file = saved(tmp_path / "a.safetensors", {n: t.half() for n, t in state_of(spec).items()})
    found = described(file, model="squeezenet1_1")
    assert found.macs.input_size == (3, 224, 224)
    assert described(file, model="squeezenet1_1", input_size=(64,)).macs.dense < found.macs.dense / 10
    own = saved(tmp_path / "b.safetensors", state_of(FC5))
    assert described(own, model="fc5", input_size=(1, 8, 8)).macs.dense == 875_000
    with pytest.raises(UsageError, match=r"b.safetensors: fc5 takes images of many sizes: give --input-size"):
        described(own, model="fc5")
    with pytest.raises(UsageError, match="unknown model 'fc6'"):
        described(own, model="fc6")
    with pytest.raises(ApcliError, match="does not fit the model"):
        described(own, model="fc12", input_size=(1, 8, 8))


def test_another_input_size_than_the_lineages(tmp_path):
    dense, _ = pair(tmp_path, RESNET)
    assert described(dense, input_size=(64,)).macs.dense == pytest.approx(4 * 40.8e6, rel=0.01)


@pytest.fixture
def user(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NETWORK)
    return f"{tmp_path}/net.py"


def small(width: int = 4) -> dict[str, Tensor]:
    return {"conv.weight": torch.ones(width, 2, 3, 3), "fc.weight": torch.ones(3, width)}


def test_a_users_network(tmp_path, user):
    file = saved(tmp_path / "a.safetensors", small())
    found = described(file, model=f"{user}:small", input_size=(2, 6, 6))
    assert {t.name: t.macs for t in found.tensors} == {"conv.weight": 16 * 72, "fc.weight": 12}
    with pytest.raises(
        ApcliError, match=r"a.safetensors: its network fails on images of 3x6x6 \(.*\): try another"
    ) as e:
        described(file, model=f"{user}:small", input_size=(6,))
    assert "\n" not in str(e.value)


def test_a_network_that_is_not_needed_may_fail(tmp_path):
    """What the lineage says is then described as before, and the reason stands where the MACs would."""
    state = state_of(FC5)
    cases = {
        "does not fit the model": (state, replaced(FC5, name="fc12")),
        "no model 'alexnet'": (state, replaced(FC5, name="alexnet")),
        "expected a positive whole number": (state, replaced(FC5, num_classes=-1)),
    }
    for words, (tensors, model) in cases.items():
        file = saved(tmp_path / "a.safetensors", tensors, Lineage.EMPTY.then("train", {}, model=model))
        found = described(file)
        assert found.macs is None
        assert words in found.macs_reason
        assert f"MACs         not counted: {found.macs_reason}" in to_text(found)
        for needed in ({"macs": True}, {"latency": True}):
            with pytest.raises(ApcliError, match=words):
                described(file, **needed)


def replaced(spec: ModelSpec, **changes: Any) -> dict[str, Any]:
    return {**spec.to_json(), **changes}


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands in for the clock: the last network, the dense one, takes 6 ms and the others 2 ms."""
    calls: list[Any] = []

    def latency(models: Any, example: Tensor, *, warmup: int, runs: int) -> list[Latency]:
        calls.append(SimpleNamespace(models=models, example=example, warmup=warmup))
        found = [Latency(0.002, 0.001, 0.004, runs)]
        return [*found, Latency(0.006, 0.005, 0.007, runs)][: len(models)]

    monkeypatch.setattr(module, "latency", latency)
    return calls


def test_latency_beside_that_of_the_dense_file(tmp_path, timed):
    dense, pruned = pair(tmp_path)
    found = described(pruned, latency=True, batch_size=5, runs=7, warmup=2, device="cpu").latency
    assert (found.median, found.low, found.high, found.runs, found.warmup) == (0.002, 0.001, 0.004, 7, 2)
    assert (found.batch_size, found.device, found.dtype) == (5, "cpu", "float32")
    assert found.threads == torch.get_num_threads()
    assert Path(found.dense.path).resolve() == dense.path.resolve()
    assert (found.dense.median, found.dense.low, found.dense.high) == (0.006, 0.005, 0.007)
    assert found.speedup == pytest.approx(3)
    assert "zeros in a dense file do not make dense kernels faster" in found.note
    (call,) = timed
    assert call.example.shape == (5, 1, 8, 8)
    assert call.warmup == 2
    zeros = [int((model.fc2.weight == 0).sum()) for model in call.models]
    assert zeros == [200_000, 0]
    alone = described(dense, latency=True, macs=False)
    assert alone.macs is alone.macs_reason is alone.latency.dense is alone.latency.speedup is None


def test_latency_without_the_dense_file(tmp_path, timed, caplog):
    dense, pruned = pair(tmp_path)
    elsewhere = dense.path.rename(tmp_path / "elsewhere.safetensors")
    assert described(pruned, latency=True).latency.dense is None
    assert "only" in caplog.text
    assert "is missing" in caplog.text
    given = described(pruned, latency=True, dense=str(elsewhere)).latency
    assert given.dense.path == str(elsewhere)
    with pytest.raises(UsageError, match=r"no file .*dense.safetensors"):
        described(pruned, latency=True, dense=str(dense.path))
    assert described(pruned).macs.dense == 875_000
    assert len(timed) == 2


def test_a_smaller_network_is_set_against_its_dense_file(tmp_path, user, timed, monkeypatch):
    """Channels that were taken out are in no product of the file itself."""
    dense = saved(tmp_path / "dense.safetensors", small(8))
    file = saved(
        tmp_path / "compact.safetensors", small(4), Lineage.EMPTY.then("prune", {}, dense=dense.link(tmp_path))
    )
    build_as_is = module.Networks.network

    def network(self: Any, spec: ModelSpec, checkpoint: Checkpoint) -> Any:
        model = f"{user}:wide" if checkpoint.path.name == dense.path.name else f"{user}:small"
        self.options = replace(self.options, model=model)
        return build_as_is(self, spec, checkpoint)

    monkeypatch.setattr(module.Networks, "network", network)
    found = described(file, model=f"{user}:small", input_size=(2, 6, 6), latency=True)
    assert (found.macs.dense, found.macs.nonzero) == (16 * 72 + 12,) * 2
    assert found.macs.dense_file == 2 * (16 * 72 + 12)
    assert found.macs.theoretical_speedup == 2
    assert found.latency.speedup == pytest.approx(3)
    assert "of the dense file, for one image" in to_text(found)


def test_out_of_memory_stays_what_it_is(tmp_path, monkeypatch):
    dense, _ = pair(tmp_path)

    def full(*given: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "latency", full)
    with pytest.raises(torch.OutOfMemoryError):
        described(dense, latency=True)


def test_an_unknown_device(tmp_path):
    dense, _ = pair(tmp_path)
    with pytest.raises(UsageError, match="--device nowhere cannot be used"):
        described(dense, latency=True, device="nowhere")

"""Tables of times: from ``report --latency-table`` to ``prune --budget latency``."""

import errno
import json
from hashlib import sha256
from pathlib import Path

import pytest
from channel_prunings import generic

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.describe import CostsConfig
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError, UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.probes.latency import Latency, LayerRuns
from apcli.progress import Progress
from apcli.stages.describe import costs
from apcli.stages.describe.costs import NetworkCosts
from apcli.stages.describe.description import describe
from apcli.stages.outputs import Outputs
from apcli.stages.prune.budgets.latency_tables import hash_of, table_at
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.stage import prune

SPEC = ModelSpec("resnet20", "apcli", 5, (3, 32, 32), (0.5,) * 3, (0.5,) * 3)


@pytest.fixture
def source(tmp_path):
    lineage = Lineage.EMPTY.then("train", {}, model=SPEC.to_json())
    write(tmp_path / "net.safetensors", entries_of(generic(build(SPEC)).state_dict()), lineage)
    return read(tmp_path / "net.safetensors")


def measured(source, path, monkeypatch):
    """The table of a clock by which a layer takes a microsecond for each of its rows and columns."""

    def layers(model, example, **often):
        widths = [(r, c) for r in (0.5, 1.0) for c in (0.5, 1.0)]
        made = {}
        for name, tensor in model.state_dict().items():
            if tensor.dim() > 1:
                sizes = [
                    tuple(max(1, round(s * x)) for s, x in zip(pair, tensor.shape, strict=False)) for pair in widths
                ]
                rows, columns = zip(*sizes, strict=True)
                made[name] = LayerRuns(rows, columns, tuple(1e-6 * r * c for r, c in sizes))
        return made

    monkeypatch.setattr(costs, "layer_latencies", layers)
    monkeypatch.setattr(costs, "latency", lambda models, example, **often: [Latency(1e-3, 1e-3, 1e-3, 2)])
    config = CostsConfig(latency_table=str(path), runs=2, warmup=0, device="cpu")
    NetworkCosts(config, Progress()).extend(describe(source, config), source)


def run(source, path, left=0.6, **options):
    budget = {"structure": "filter", "budget": (("latency", left),), "latency_table": str(path), "device": "cpu"}
    config = PruneConfig(**{**budget, **options})
    return list(prune(source, config, Outputs(), NetworkScores(config, Progress())))


def test_a_budget_of_time_is_counted_by_the_table(source, tmp_path, monkeypatch):
    path = tmp_path / "times.json"
    measured(source, path, monkeypatch)
    table = table_at(str(path))
    assert (table.model, table.batch_size, table.device, table.runs) == ("resnet20", 1, "cpu", 2)
    (file,) = run(source, path)
    assert file.name == "net.l1-latency0.6-filter.safetensors"
    lineage = read(file).lineage
    assert lineage.last_settings.options["latency_table"] == sha256(path.read_bytes()).hexdigest() == hash_of(str(path))
    spent = lineage.allocation.budget
    assert spent.resource == "latency"
    assert 0.55 * spent.dense < spent.got <= spent.left == pytest.approx(0.6 * spent.dense)
    layers = sum(one.seconds[-1] for one in table.layers)
    assert spent.dense == pytest.approx(max(table.seconds, layers))
    first = file.read_bytes()
    file.unlink()
    run(source, path)
    assert file.read_bytes() == first


def test_a_table_is_whole_or_not_there_and_its_network_is_built_once(source, tmp_path, monkeypatch):
    path, built = tmp_path / "times.json", []
    network = NetworkCosts._network
    monkeypatch.setattr(NetworkCosts, "_network", lambda *given: built.append(given) or network(*given))

    def full(file, text):
        file.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        with pytest.raises(ApcliError, match=r"cannot write .*times.json: No space left"):
            measured(source, path, monkeypatch)
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]
    assert len(built) == 1
    measured(source, path, monkeypatch)
    assert table_at(str(path)).layers
    assert len(built) == 2


def test_what_is_refused(source, tmp_path, monkeypatch):
    path = tmp_path / "times.json"
    with pytest.raises(UsageError, match=r"--latency-table .*times.json cannot be read \(No such file"):
        run(source, path)
    path.write_text("{}")
    with pytest.raises(ApcliError, match="is no latency table of version 1"):
        run(source, path)
    path.unlink()
    measured(source, path, monkeypatch)
    with pytest.raises(UsageError, match=r"times.json exists: remove it"):
        measured(source, path, monkeypatch)
    with pytest.raises(
        UsageError, match=r"--budget latency=1e-06 cannot be reached: .* seconds of .* seconds, a share"
    ):
        run(source, path, left=1e-6)
    table = json.loads(path.read_text())
    table["layers"][0]["seconds"][0] = 0
    path.write_text(json.dumps(table))
    with pytest.raises(ApcliError, match=r"the times of conv1.weight are no times at as many widths"):
        run(source, path)
    table["layers"][0]["shape"] = [1, 2]
    table["layers"][0]["seconds"][0] = 1
    path.write_text(json.dumps(table))
    with pytest.raises(UsageError, match=r"is of another network than .*, by conv1.weight: make one by apcli report"):
        run(source, path)

"""``--dry-run`` says what the run then makes: files, states and counts; it writes nothing and reads no data."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from short_trainings import quiet

from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.data.image_spec import ImageSpec
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec, resolve
from apcli.stages.outputs import Outputs
from apcli.stages.prune.dry_run import Planned, dry_run
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.stage import prune

SHAPES = {"conv.weight": (8, 4, 3, 3), "fc1.weight": (30, 40), "fc2.weight": (10, 30)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    draw = torch.Generator().manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_file({name: torch.randn(shape, generator=draw) for name, shape in SHAPES.items()}, path)
    return path


def plans(source: Path, *sparsity: float, outputs: Outputs | None = None, **options: Any) -> list[Planned]:
    before = {path: path.read_bytes() for path in source.parent.rglob("*.safetensors")}
    found = list(dry_run(read(source), PruneConfig(**({"sparsity": sparsity} | options)), outputs or Outputs()))
    assert {path: path.read_bytes() for path in source.parent.rglob("*.safetensors")} == before
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"sparsity": (0.3, 0.8), "method": "lowest,random", "seeds": (0, 1)},
        {"sparsity": (0.5, 0.9), "scope": "erk", "min_keep": 40.0},
        {"sparsity": (0.5,), "scope": "output"},
        {"sparsity": (0.5, 0.9), "scope": "global", "min_keep": 40.0},
        {"compression": (2.0, 5.0), "scope": "global"},
        {"sparsity": (0.5,), "layer_sparsity": (("fc*", 0.1),)},
        {"layer_sparsity": (("fc*", 0.1),), "storage": "bitmask"},
        {"structure": "2:4", "method": "highest,lamp"},
    ],
)
def test_the_run_makes_what_the_dry_run_says(source, options):
    config = PruneConfig(**options)
    said = plans(source, **options)
    made = list(prune(read(source), config, Outputs()))
    assert [planned.path for planned in said] == [str(path) for path in made]
    for planned, path in zip(said, made, strict=True):
        entries, names = read(path).entries, {layer.name: layer.tensor for layer in prunable(read(path))}
        zeros = {share.name: entries[names[share.name]].zeros for share in planned.shares}
        assert all(share.least <= zeros[share.name] <= share.most for share in planned.shares)
        assert planned.removed == sum(zeros.values())
        assert planned.size == sum(entries[names[name]].size for name in zeros)
        assert read(path).lineage.last_settings.options.items() >= planned.settings.items()
        assert {*zeros} == {name for name, tensor in names.items() if tensor in read(path).lineage.pruned}


def test_what_is_there_already(source):
    list(prune(read(source), PruneConfig((0.3,)), Outputs()))
    save_file({"fc1.weight": torch.ones(2, 2)}, source.parent / "net.lowest-0.5.safetensors")
    states = [planned.state for planned in plans(source, 0.3, 0.5, 0.8)]
    assert states == ["kept", "in the way", "to be written"]
    states = [planned.state for planned in plans(source, 0.3, 0.8, outputs=Outputs(overwrite=True))]
    assert states == ["to be overwritten", "to be written"]
    with pytest.raises(UsageError, match="exists and was not made by apcli"):
        list(prune(read(source), PruneConfig((0.5,)), Outputs()))


def test_two_results_of_one_name_are_in_each_others_way(source):
    (source.parent / "other").mkdir()
    save_file({name: torch.ones(shape) for name, shape in SHAPES.items()}, source.parent / "other" / "net.safetensors")
    outputs = Outputs(source.parent / "out")
    found = [plans(path, 0.5, outputs=outputs) for path in (source, source.parent / "other" / "net.safetensors")]
    assert [planned.state for (planned,) in found] == ["to be written", "in the way"]


def test_another_storage(source):
    (planned,) = plans(source, 0.0, storage="bitmask")
    assert planned.path.endswith("net.bitmask.safetensors")
    assert (planned.state, planned.removed, planned.shares) == ("to be written", 0, ())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A resnet20 whose data set is nowhere."""
    path = tmp_path_factory.mktemp("network") / "net.safetensors"
    spec = resolve("resnet20", ImageSpec((1, 8, 8), 10, (0.5,), (0.5,)))
    torch.manual_seed(0)
    lineage = Lineage.EMPTY.then("train", {}, model=spec.to_json(), data={"name": "usps", "classes": 10}, seed=0)
    write(path, entries_of(build(spec).state_dict()), lineage)
    return path


def test_no_data_are_read(network):
    for options in ({"method": "taylor"}, {"method": "taylor", "structure": "filter"}):
        config = PruneConfig((0.5,), **options)
        (planned,) = dry_run(read(network), config, Outputs(), NetworkScores(config, quiet))
        assert planned.removed == pytest.approx(planned.size / 2, abs=2)
        with pytest.raises(UsageError, match="usps"):
            list(prune(read(network), config, Outputs(), NetworkScores(config, quiet)))


@pytest.mark.slow
def test_each_layer_that_has_channels_to_lose(network, tmp_path, caplog):
    caplog.set_level("INFO", "apcli")
    config = PruneConfig((0.5,), structure="filter", layers="each", exclude="layer1.*,layer2.*", device="cpu")
    planned = list(dry_run(read(network), config, Outputs(tmp_path), NetworkScores(config, quiet)))
    paths = list(prune(read(network), config, Outputs(tmp_path), NetworkScores(config, quiet)))
    assert [x.path for x in planned] == [str(path) for path in paths]
    assert [share.name for x in planned for share in x.shares] == ["layer3.0.conv1", "layer3.0.conv2"]
    assert "no removable channels in these layers (fc: they are the network's output)" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_channels_by_group(network, scope):
    inside = {"exclude": "conv1,layer*.conv2"}  # a channel behind a padded shortcut is one of several tensors
    config = PruneConfig((0.25,), structure="filter", scope=scope, device="cpu", compact=True, **inside)
    (planned,) = dry_run(read(network), config, Outputs(), NetworkScores(config, quiet))
    (path,) = prune(read(network), config, Outputs(), NetworkScores(config, quiet))
    dense, small = read(network).entries, read(path).entries
    gone = {x.name: dense[f"{x.name}.weight"].shape[0] - small[f"{x.name}.weight"].shape[0] for x in planned.shares}
    assert planned.unit == "channels"
    assert planned.removed == sum(gone.values()) > 0
    assert all(share.least <= gone[share.name] <= share.most for share in planned.shares)
    path.unlink()


def test_channels_of_a_network_that_depends_on_the_data(source):
    config = PruneConfig((0.5,), structure="filter", model="fc5")
    with pytest.raises(UsageError, match="the weights of --model fc5 depend on the data, which --dry-run does not"):
        list(dry_run(read(source), config, Outputs(), NetworkScores(config, quiet)))


@pytest.mark.slow
def test_channels_of_a_strangers_network_are_those_that_go(tmp_path, monkeypatch):
    """Without data, in whatever number of classes the file has."""
    monkeypatch.setattr("apcli.networks.load", lambda *_, **__: pytest.fail("data were read"))
    spec = ModelSpec("resnet20", "apcli", 7, (3, 32, 32), (0.0,) * 3, (1.0,) * 3)
    torch.save({"model": build(spec).state_dict(), "epoch": 3}, tmp_path / "theirs.pth")
    inside = {"exclude": "conv1,layer*.conv2"}
    config = PruneConfig((0.5,), structure="filter", compact=True, model="resnet20", device="cpu", **inside)
    theirs = read(tmp_path / "theirs.pth")
    (planned,) = dry_run(theirs, config, Outputs(), NetworkScores(config, quiet))
    (path,) = prune(theirs, config, Outputs(), NetworkScores(config, quiet))
    assert path.name.startswith("theirs.l1-0.5-filter-not-conv1+")
    small = read(path).entries
    gone = {
        x.name: theirs.entries[f"{x.name}.weight"].shape[0] - small[f"{x.name}.weight"].shape[0] for x in planned.shares
    }
    assert planned.removed == sum(gone.values()) > 0
    assert small["fc.weight"].shape == theirs.entries["fc.weight"].shape


def test_json_has_every_number(source):
    (planned,) = plans(source, 0.5, scope="global")
    said = planned.to_json()
    assert (said["kind"], said["version"], said["removed"], said["size"]) == ("plan", 1, 894, 1788)
    assert said["shares"][1] == {"name": "fc1", "size": 1200, "least": 306, "most": 894}


def test_a_limit_is_to_be_measured(source):
    """Nothing runs, so its amount and a part of its name are not known."""
    known, planned = plans(source, 0.5, "limit:eps=abs-0.1", scope="global")
    assert (known.state, known.removed) == ("to be written", 894)
    said = planned.to_json()
    assert (said["state"], said["removed"], said["size"]) == ("to be measured", None, 1788)
    assert Path(said["path"]).name == "net.lowest-limit-eps=abs-0.1-*.safetensors"
    assert said["settings"]["limit"] == "limit:eps=abs-0.1"
    assert said["shares"][1] == {"name": "fc1", "size": 1200, "least": 0, "most": 1200}

"""Published weights by name, from caches as the libraries lay them out; nothing is downloaded."""

import json
import os
import re
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
import torchvision
from marked import slow
from safetensors.torch import save_file

import apcli
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.reading import dense_ancestor, named, read
from apcli.configs.prune import PruneConfig
from apcli.data.image_spec import ImageSpec
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.models.spec import ModelSpec, resolve
from apcli.published import Defaults, defaults, fetched, is_name, model_of, stem_of
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune

STATE = {"fc.weight": torch.arange(12.0).reshape(3, 4), "fc.bias": torch.ones(3)}


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, no network, and a working folder of their own."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("something was downloaded"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def in_hub(caches: Path, repo: str, revision: str = "a" * 40) -> Path:
    """The folder of a repository's files in the hub's cache."""
    place = caches / "hub" / f"models--{repo.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / "main").write_text(revision)
    (place / "snapshots" / revision).mkdir(parents=True, exist_ok=True)
    return place / "snapshots" / revision


def in_torch_hub(caches: Path, name: str) -> Path:
    """The file of torchvision's weights in torch.hub's cache, of random numbers."""
    path = caches / "torch" / "hub" / "checkpoints" / Path(torchvision.models.get_model_weights(name).DEFAULT.url).name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torchvision.models.get_model(name).state_dict(), path)
    return path


def pruned(name: str, **options: Any) -> Path:
    (path,) = prune(named(name), PruneConfig((0.5,), **options), Outputs())
    return path


def test_the_libraries_say_what_their_weights_take():
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert defaults("torchvision", "resnet18") == Defaults((3, 224, 224), *imagenet, 1)
    assert defaults("torchvision", "inception_v3") == Defaults((3, 299, 299), (0.5,) * 3, (0.5,) * 3, 75)
    assert defaults("timm", "vit_tiny_patch16_224").mean == (0.5,) * 3
    assert defaults("timm", "test_resnet").input_size == (3, 160, 160)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("hf:me/net", "net"),
        ("hf:me/net.v2@main", "net.v2"),
        ("hf:me/net/model.safetensors", "net"),
        ("hf:me/net/sub/ema.pth", "ema"),
        ("torchvision:resnet18", "resnet18"),
        ("timm:resnet18.a1_in1k", "resnet18.a1_in1k"),
        ("net.safetensors", None),
        ("hf", None),
        ("folder:x", None),
    ],
)
def test_names_and_what_results_are_called(name, stem):
    assert is_name(name) == (stem is not None)
    if stem is not None:
        assert stem_of(name) == stem


def test_a_lineages_model_is_the_one_that_pretrained_builds():
    images = ImageSpec((3, 8, 8), 1000, (0.0,), (1.0,))
    for name in ("torchvision:squeezenet1_1", "torchvision:inception_v3", "timm:test_resnet"):
        assert ModelSpec.from_json(model_of(name)) == resolve(name, images, pretrained=True)
    assert model_of("hf:me/net") is None


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_of_the_hub_is_its_usual_file(caches, file):
    path = in_hub(caches, "me/net") / file
    save_file(STATE, path) if file.endswith("safetensors") else torch.save(STATE, path)
    assert fetched("hf:me/net") == fetched(f"hf:me/net/{file}") == path
    result = pruned("hf:me/net")
    assert result.resolve() == caches / "work" / "net.lowest-0.5.safetensors"
    lineage = read(result).lineage
    assert lineage.parent.path == lineage.dense.path == "hf:me/net"
    assert dense_ancestor(read(result)).entries["fc.weight"].values[2, 3] == 11


def test_files_and_revisions_of_the_hub(caches):
    for revision, value in (("a" * 40, 1), ("b" * 40, 2)):
        place = in_hub(caches, "me/net", revision) / "sub" / "ema.pth"
        place.parent.mkdir()
        torch.save({"fc.weight": STATE["fc.weight"] * value}, place)
    assert named("hf:me/net/sub/ema.pth").entries["fc.weight"].values[0, 1] == 2
    assert named(f"hf:me/net@{'a' * 40}/sub/ema.pth").entries["fc.weight"].values[0, 1] == 1


def test_a_sharded_model_of_the_hub_comes_with_its_files(caches):
    place = in_hub(caches, "me/large")
    for number, name in enumerate(STATE):
        save_file({name: STATE[name]}, place / f"model-{number}.safetensors")
    placed = {name: f"model-{number}.safetensors" for number, name in enumerate(STATE)}
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    assert set(named("hf:me/large").entries) == set(STATE)
    os.remove(place / "model-1.safetensors")
    with pytest.raises(ApcliError, match="hf:me/large"):
        named("hf:me/large")


@pytest.mark.parametrize("structure", ["weight", slow("filter")])
def test_weights_of_torchvision_know_their_network(caches, structure):
    source = in_torch_hub(caches, "squeezenet1_1")
    found = named("torchvision:squeezenet1_1")
    assert (found.path, found.label, found.lineage.model["num_classes"]) == (source, "torchvision:squeezenet1_1", 1000)
    if structure == "weight":
        lineage = read(pruned("torchvision:squeezenet1_1")).lineage
        assert lineage.model == found.lineage.model
        assert lineage.parent.path == "torchvision:squeezenet1_1"
        assert [settings.stage for settings in lineage.settings] == ["prune"]
    else:
        networks = pytest.importorskip("apcli.stages.prune.network")
        config = PruneConfig((0.5,), structure="filter", device="cpu")
        (path,) = prune(found, config, Outputs(), networks.NetworkScores(config, lambda text: None))
        assert path.name == "squeezenet1_1.l1-0.5-filter.safetensors"


@pytest.mark.slow
def test_torchvisions_old_names_are_todays(caches):
    """As torchvision's own loader of DenseNets reads them."""
    path = in_torch_hub(caches, "densenet121")
    state = {name: tensor for name, tensor in torch.load(path).items() if not name.endswith("num_batches_tracked")}
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", name): state[name] for name in state}
    assert old.keys() != state.keys()
    torch.save(old, path)
    torchvision.models.densenet._load_state_dict(
        torchvision.models.densenet121(), torchvision.models.DenseNet121_Weights.DEFAULT, progress=False
    )
    assert list(named("torchvision:densenet121").entries) == list(state)
    assert set(read(path).entries) == set(old)


@pytest.mark.parametrize(
    "asked", [{"layers": "last"}, {"exclude": "last"}, {"scope": "uniform+"}, {"layer_sparsity": "last=0.5"}]
)
def test_the_last_layer_of_published_weights_is_found_through_their_network(caches, monkeypatch, asked):
    """Where an option or a scope names it; without building anything where none does."""
    in_torch_hub(caches, "resnet18")
    name, given = "torchvision:resnet18", {} if "layer_sparsity" in asked else {"sparsity": 0.5}
    (planned,) = apcli.plan(name, **given, **asked)
    (path,) = apcli.prune(name, **given, **asked)
    lineage = path.lineage
    assert lineage.last_layer == "fc.weight"
    assert ("fc.weight" in lineage.pruned) == ("exclude" not in asked)
    assert [share.name for share in planned.shares] == [
        layer.name for layer in prunable(path) if layer.tensor in lineage.pruned
    ]


def test_weights_of_timm_lie_in_the_hubs_cache(caches):
    place = in_hub(caches, timm.get_pretrained_cfg("test_resnet").hf_hub_id)
    save_file(timm.create_model("test_resnet").state_dict(), place / "model.safetensors")
    found = named("timm:test_resnet")
    assert found.path == place / "model.safetensors"
    assert found.lineage.model["input_size"] == [3, 160, 160]


def test_a_name_in_a_file_is_never_downloaded(caches, monkeypatch):
    place = in_torch_hub(caches, "squeezenet1_1")
    result = read(pruned("torchvision:squeezenet1_1"))
    assert dense_ancestor(result).path == place
    torch.save({}, place)
    with pytest.raises(ApcliError):
        dense_ancestor(result)
    torch.save({"x.weight": torch.ones(2, 2)}, place)
    with pytest.raises(VerificationError, match="torchvision:squeezenet1_1 is not the dense file"):
        dense_ancestor(result)
    place.unlink()
    with pytest.raises(UsageError, match=r"the dense file torchvision:squeezenet1_1 of .* is missing: give it"):
        dense_ancestor(result)
    fetching: list[str] = []
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, *_, **__: fetching.append(url))
    fetched("torchvision:squeezenet1_1")
    assert fetching == [torchvision.models.get_model_weights("squeezenet1_1").DEFAULT.url], "one that is given is"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("hf:net", UsageError, "expected hf:OWNER/NAME or hf:OWNER/NAME/FILE"),
        ("hf:me/net/../../x", UsageError, "is no name on the Hugging Face hub"),
        ("hf:me/net", ApcliError, r"hf:me/net has no model\.safetensors or .*or is neither in the cache nor can be"),
        ("torchvision:resnet19", UsageError, "torchvision has no such model"),
        ("timm:resnet19", UsageError, "timm has no such model"),
        ("timm:a/b", UsageError, "timm has no such model"),
    ],
)
def test_weights_that_are_not_there(caches, name, kind, words):
    with pytest.raises(kind, match=words) as caught:
        named(name)
    assert "\n" not in str(caught.value)

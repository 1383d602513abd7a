"""Weights from elsewhere: what is read, what is renamed, what is refused and how."""

import io
import logging
import pickle
from pathlib import Path

import pytest
import torch
import torchvision
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save_file
from torch import nn

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.errors import ApcliError, UsageError
from apcli.models.resnet_cifar import CifarResNet
from apcli.models.weights import load_weights_, log_versions, read_weights


def small() -> nn.Module:
    model = nn.Module()
    model.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model.fc = nn.Linear(4, 10)
    return model


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("wrappers", [(), ("state_dict",), ("model",), ("net", "model_state_dict")])
def test_wrappers_and_prefixes_come_off(tmp_path, prefix, wrappers):
    state = small().state_dict()
    content = {prefix + name: tensor for name, tensor in state.items()}
    for wrapper in wrappers:
        content = {"epoch": 3, "best": 91.73, wrapper: content, "optimizer": {"state": {}}}
    file = tmp_path / "weights.th"
    torch.save(content, file)
    assert same(read_weights(file), dict(state))


def test_safetensors_is_known_by_its_content(tmp_path):
    state = {"fc.weight": torch.randn(2, 3), "module.x": torch.ones(1)}
    save_file(state, tmp_path / "weights.pt")
    read = read_weights(tmp_path / "weights.pt")
    assert set(read) == set(state)
    assert torch.equal(read["fc.weight"], state["fc.weight"])


def test_a_sharded_checkpoint_and_a_packed_one_are_read(tmp_path):
    state = {"fc.weight": torch.randn(20, 30), "fc.bias": torch.ones(20)}
    save_torch_state_dict(state, tmp_path, max_shard_size=100)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    read = read_weights(tmp_path / "model.safetensors.index.json")
    assert all(torch.equal(read[name], state[name]) for name in state)
    state["fc.weight"][:19] = 0
    write(tmp_path / "x.safetensors", entries_of(state), Lineage.EMPTY.then("prune", {}), packed=True)
    assert "fc.weight" not in load_file(tmp_path / "x.safetensors")
    read = read_weights(tmp_path / "x.safetensors")
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_parameters_and_old_files_are_read(tmp_path):
    parameter = nn.Parameter(torch.randn(2, 2))
    torch.save({"fc.weight": parameter}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    weight = read_weights(tmp_path / "old.pt")["fc.weight"]
    assert torch.equal(weight, parameter)
    assert not weight.requires_grad


class Trap:
    """A pickle that would make a file when loaded."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("container", ["zip", "legacy", "bare"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, container):
    file, sprung = tmp_path / "trap.pt", tmp_path / "sprung"
    content = {"state_dict": {"fc.weight": torch.zeros(2), "trap": Trap(sprung)}}
    if container == "bare":
        file.write_bytes(pickle.dumps({"trap": Trap(sprung)}, protocol=2))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(ApcliError, match="contains code") as caught:
        read_weights(file)
    assert "\n" not in str(caught.value)
    assert not sprung.exists()


def test_a_whole_pickled_model_is_refused(tmp_path):
    torch.save(CifarResNet(20, num_classes=10), tmp_path / "model.pt")
    with pytest.raises(ApcliError, match=r"state_dict\(\)"):
        read_weights(tmp_path / "model.pt")


def truncated() -> bytes:
    stream = io.BytesIO()
    torch.save(small().state_dict(), stream)
    return stream.getvalue()[:-200]


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", b"\x80\x02junk", b"PK\x03\x04junk", b"\x40" + b"\0" * 7 + b'{"a": 1}', b"\0" * 99, truncated()],
    ids=["empty", "text", "pickle", "zip", "safetensors", "zeros", "truncated"],
)
def test_an_unreadable_file_is_one_line_that_names_it(tmp_path, content):
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(ApcliError, match=r"weights\.pth") as caught:
        read_weights(file)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[torch.ones(1)], torch.ones(1), {}, {"fc.weight": 3}, {"state_dict": {"a": "b"}}])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ApcliError, match="expected tensors by name"):
        read_weights(tmp_path / "other.pt")


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_weights(tmp_path / "none.pt")


@pytest.mark.parametrize(
    ("theirs", "rename"),
    [
        (lambda name: name.replace("fc.", "linear."), ["linear=fc"]),
        (lambda name: "backbone." + name, ["backbone="]),
        (lambda name: "net." + name.replace("body", "trunk"), ["net.trunk=body", "net.fc=fc"]),
        (lambda name: "last" if name == "fc.weight" else name, ["last=fc.weight"]),
        (lambda name: name, []),
    ],
)
def test_renames_make_the_names_fit(theirs, rename):
    source, model = small(), small()
    load_weights_(model, {theirs(name): tensor for name, tensor in source.state_dict().items()}, rename, "x.pt")
    assert same(dict(model.state_dict()), dict(source.state_dict()))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("linear", "expected OLD=NEW"),
        ("=fc", "expected OLD=NEW"),
        ("a=b=c", "expected OLD=NEW"),
        ("f=fc", "no tensor f or f.*; it has body.0.weight"),
        ("fc.weight=fc.bias", "another tensor's"),
        ("fc.weight=", "no name"),
    ],
)
def test_a_rename_that_cannot_be_done(option, words):
    model = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(UsageError) as caught:
        load_weights_(model, small().state_dict(), [option], "x.pt")
    assert words in str(caught.value)
    assert same(dict(model.state_dict()), before)


@pytest.mark.parametrize(
    ("old", "new", "suggested"),
    [("linear.", "fc.", "--rename linear=fc"), ("head.last.", "fc.", "--rename head.last=fc")],
)
def test_a_mismatch_suggests_the_rename(old, new, suggested):
    weights = {name.replace(new, old): tensor for name, tensor in small().state_dict().items()}
    with pytest.raises(ApcliError, match=r"without fc\.weight and fc\.bias; with ") as caught:
        load_weights_(small(), weights, [], "x.pt")
    assert caught.value.exit_code == 1
    assert suggested in str(caught.value)
    load_weights_(small(), weights, [suggested.removeprefix("--rename ")], "x.pt")


def test_a_mismatch_of_everything_suggests_taking_the_prefix_off():
    weights = {"backbone." + name: tensor for name, tensor in small().state_dict().items()}
    with pytest.raises(ApcliError, match=r"--rename backbone=$"):
        load_weights_(small(), weights, [], "x.pt")


def test_other_shapes_are_named_with_both_and_no_rename_is_suggested():
    weights = dict(small().state_dict()) | {"fc.weight": torch.zeros(100, 4), "extra": torch.zeros(())}
    with pytest.raises(ApcliError) as caught:
        load_weights_(small(), weights, [], "x.pt")
    message = str(caught.value)
    assert "fc.weight (100x4 in the file, 10x4 in the model)" in message
    assert "with extra that the model does not have" in message
    assert "--rename" not in message
    assert "\n" not in message


def test_files_older_than_batch_counters_load():
    source, model = small(), small()
    weights = {n: t for n, t in source.state_dict().items() if not n.endswith("num_batches_tracked")}
    load_weights_(model, weights, [], "x.pt")
    assert torch.equal(model.fc.weight, source.fc.weight)


def test_heads_that_our_inception_has_not_are_left_out_and_said(caplog):
    caplog.set_level(logging.INFO, "apcli")
    source, model = small(), small()
    load_weights_(model, dict(source.state_dict()) | {"AuxLogits.fc.weight": torch.ones(2)}, [], "x.pt")
    assert torch.equal(model.fc.weight, source.fc.weight)
    assert "skipped 1 tensor of auxiliary heads" in caplog.text


def test_modules_that_ask_for_a_state_dict_s_version_get_todays():
    """As torchvision's MNASNet does: without one it takes the file for one of its first version, and widens layers."""

    class Versioned(nn.Linear):
        _version = 2

        def _load_from_state_dict(self, state, prefix, metadata, *others):
            assert metadata["version"] == 2
            super()._load_from_state_dict(state, prefix, metadata, *others)

    model = nn.Sequential(Versioned(2, 3))
    weights = {"0.weight": torch.ones(3, 2), "0.bias": torch.zeros(3)}
    load_weights_(model, weights, (), "file")
    assert (model[0].weight == 1).all()


@pytest.mark.parametrize(("name", "wants"), [("mnasnet0_5", True), ("mnasnet1_0", True), ("resnet18", False)])
def test_networks_that_want_versions_are_known(name, wants, caplog):
    """And the way that is said of them works, where the plain one does not."""
    model = torchvision.models.get_model(name, num_classes=3)
    caplog.set_level(logging.INFO, "apcli")
    log_versions(model, "net.safetensors")
    assert ("net.safetensors: outside apcli, update" in caplog.text) == wants
    tensors = dict(model.state_dict())
    again = torchvision.models.get_model(name, num_classes=3)
    state = again.state_dict()
    state.update(tensors)
    again.load_state_dict(state)
    assert all(torch.equal(tensor, tensors[key]) for key, tensor in again.state_dict().items())
    if wants:
        with pytest.raises(ValueError, match="version"):
            again.load_state_dict(tensors)

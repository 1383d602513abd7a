"""Weights from elsewhere: what is renamed and loaded, what is refused and how."""

import logging

import pytest
import torch
import torchvision
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save_file
from torch import nn

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.errors import ApcliError, UsageError
from apcli.models.weights import load_weights_, log_versions, tensors_of, with_fresh_head


def small() -> nn.Module:
    model = nn.Module()
    model.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model.fc = nn.Linear(4, 10)
    return model


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_prefixes_come_off_whatever_the_format(tmp_path):
    state = small().state_dict()
    save_file({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "net.safetensors")
    torch.save({f"_orig_mod.{name}": tensor for name, tensor in state.items()}, tmp_path / "net.pth")
    for name in ("net.safetensors", "net.pth"):
        found = tensors_of(read(tmp_path / name))
        assert all(torch.equal(found[key], state[key]) for key in state)
        assert set(found) == set(state)


def test_a_sharded_checkpoint_and_a_packed_one_are_read(tmp_path):
    state = {"fc.weight": torch.randn(20, 30), "fc.bias": torch.ones(20)}
    save_torch_state_dict(state, tmp_path, max_shard_size=100)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    found = tensors_of(read(tmp_path / "model.safetensors.index.json"))
    assert all(torch.equal(found[name], state[name]) for name in state)
    state["fc.weight"][:19] = 0
    write(tmp_path / "x.safetensors", entries_of(state), Lineage.EMPTY.then("prune", {}), packed=True)
    assert "fc.weight" not in load_file(tmp_path / "x.safetensors")
    found = tensors_of(read(tmp_path / "x.safetensors"))
    assert all(torch.equal(found[name], state[name]) for name in state)


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


@pytest.mark.parametrize(
    ("name", "also", "hint"),
    [
        ("pos_embed", (), "give the --input-size that it was made for"),
        ("layers.0.attn.relative_position_bias_table", (), "give the --input-size that it was made for"),
        ("pos_embed", ("fc.weight",), "give the model, and --num-classes, that it was made for"),
    ],
)
def test_where_only_positions_differ_the_size_of_images_is_to_be_given(name, also, hint):
    model = small()
    *path, last = name.split(".")
    place = model
    for part in path:
        place.add_module(part, nn.Module())
        place = getattr(place, part)
    place.register_buffer(last, torch.zeros(1, 17, 4))
    weights = model.state_dict() | {name: torch.zeros(1, 5, 4)} | {other: torch.zeros(3, 3) for other in also}
    with pytest.raises(ApcliError, match=f"; {hint}$"):
        load_weights_(model, weights, [], "x.pt")


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


def two_heads(classes: int) -> nn.Module:
    model = small()
    model.fc = nn.Linear(4, classes)
    model.second = nn.Linear(6, classes, bias=False)
    return model


def test_a_last_layer_of_other_classes_starts_fresh(caplog):
    caplog.set_level(logging.INFO, "apcli")
    theirs, model = two_heads(7), two_heads(3)
    own, given = {name: tensor.clone() for name, tensor in model.state_dict().items()}, theirs.state_dict()
    load_weights_(model, with_fresh_head(given, model, "fc.weight", "x.pt"), (), "x.pt")
    assert "x.pt is for 7 classes; the last layer fc starts fresh, for 3" in caplog.text
    for name, tensor in model.state_dict().items():
        fresh = name in ("fc.weight", "fc.bias", "second.weight")
        assert torch.equal(tensor, (own if fresh else given)[name]), name


@pytest.mark.parametrize("change", [{}, {"fc.weight": torch.zeros(7, 5)}, {"fc.weight": torch.zeros(())}])
def test_other_misfits_of_the_last_layer_stay_for_loading_to_tell(change):
    weights = dict(small().state_dict()) | change
    found = with_fresh_head(weights, small(), "fc.weight", "x.pt")
    assert found.keys() == weights.keys()
    assert all(found[name] is weights[name] for name in found)


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


@pytest.mark.slow
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

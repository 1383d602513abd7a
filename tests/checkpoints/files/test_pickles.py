"""PyTorch's files: what is read of them, what is passed over and said, what is refused, and that no code is run."""

import argparse
import io
import logging
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from apcli.checkpoints.files import pickles
from apcli.checkpoints.files.pickles import opened, without_prefixes
from apcli.checkpoints.state_dicts import entries_of
from apcli.errors import ApcliError, UsageError


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = nn.Module()
    model.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model.fc = nn.Linear(4, 10)
    return model


def holds(path: Path, state: dict[str, torch.Tensor], key: str | None = None) -> bool:
    """Whether the file is read as this state dict, bit for bit and in its order."""
    found, wanted = opened(path, str(path), key), entries_of(state)
    same = all(
        (found[name].dtype, found[name].shape, found[name].data.tobytes())
        == (entry.dtype, entry.shape, entry.data.tobytes())
        for name, entry in wanted.items()
    )
    return list(found) == list(wanted) and same


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("wrappers", [(), ("state_dict",), ("model",), ("net", "model_state_dict")])
def test_wrappers_and_prefixes_come_off(tmp_path, prefix, wrappers, new):
    state = small().state_dict()
    content = {prefix + name: tensor for name, tensor in state.items()}
    for wrapper in wrappers:
        content = {"epoch": 3, "best": 91.73, wrapper: content, "optimizer": {"state": {}}}
    torch.save(content, tmp_path / "weights.th", _use_new_zipfile_serialization=new)
    assert holds(tmp_path / "weights.th", state)


def test_names_of_wrapped_parts_and_of_an_average_are_the_networks():
    names = {"module.a._orig_mod.w": 1, "module._fsdp_wrapped_module.b": 2, "n_averaged": 3}
    assert without_prefixes(names) == {"a.w": 1, "b": 2}
    kept = {"module.a": 1, "b": 2, "modules.c": 3}
    assert without_prefixes(kept) == kept
    assert without_prefixes({"n_averaged": 1}) == {"n_averaged": 1}


def test_types_views_and_parameters_are_read_as_they_are(tmp_path):
    state = {
        "half": torch.randn(3, 2).half(),
        "brain": torch.randn(3, 2).bfloat16(),
        "turned": torch.randn(3, 2).T,
        "part": torch.arange(9)[3:5],
        "one": torch.tensor(True),
        "none": torch.zeros(0, 3),
        "learnt": nn.Parameter(torch.randn(2)),
    }
    torch.save(state, tmp_path / "x.pt")
    assert holds(tmp_path / "x.pt", state)
    entries = opened(tmp_path / "x.pt", "it")
    with suppress(ValueError):  # read-only, or a copy
        entries["half"].data[0] += 1
    assert holds(tmp_path / "x.pt", state)


def test_tensors_stay_in_the_file_unless_it_was_compressed(tmp_path):
    """What is written into the file later is read; of a compressed one there is no tensor's bytes to read."""
    weight = torch.arange(4096.0)
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save({"w": weight}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            target.writestr(member, source.read(member))
    assert holds(packed, {"w": weight})
    entry = opened(plain, "it")["w"]
    place = plain.read_bytes().index(weight.numpy().tobytes())
    with plain.open("r+b") as file:
        file.seek(place)
        file.write(np.float32(7).tobytes())
    assert entry.values[:2].tolist() == [7, 1]


def test_a_file_of_torch_save_may_be_called_safetensors(tmp_path):
    state = small().state_dict()
    torch.save(state, tmp_path / "x.safetensors")
    assert holds(tmp_path / "x.safetensors", state)


# ---- training checkpoints


def checkpoint(**members: object) -> dict[str, object]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], 0.1, momentum=0.9)
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    settings = argparse.Namespace(lr=0.1, output=Path("out"))
    return {"epoch": 3, "optimizer": optimizer.state_dict(), "args": settings, "metric": np.float64(91.7)} | members


@pytest.mark.parametrize("new", [True, False])
def test_what_timm_saves_is_read_with_the_average_by_key(tmp_path, caplog, new):
    caplog.set_level(logging.INFO, "apcli")
    plain, average, path = small(1).state_dict(), small(2).state_dict(), tmp_path / "last.pth.tar"
    torch.save(
        checkpoint(state_dict=plain, state_dict_ema=average, arch="resnet18"), path, _use_new_zipfile_serialization=new
    )
    assert holds(path, plain)
    assert f"{path}: read is state_dict; passed over: state_dict_ema, epoch, optimizer and 3 others" in caplog.text
    assert "--weights-key state_dict_ema reads that instead" in caplog.text
    assert holds(path, average, "state_dict_ema")


def test_it_is_said_once(tmp_path, caplog):
    caplog.set_level(logging.INFO, "apcli")
    torch.save({"model": small().state_dict(), "epoch": 3}, tmp_path / "x.pt")
    for _ in range(2):
        opened(tmp_path / "x.pt", str(tmp_path / "x.pt"))
    assert caplog.text.count("passed over: epoch") == 1


def test_a_member_in_a_wrapper_of_its_own_is_read(tmp_path):
    plain, average = small(1).state_dict(), small(2).state_dict()
    torch.save(checkpoint(model=plain, model_ema={"module": average, "decay": 0.99}), tmp_path / "x.pt")
    assert holds(tmp_path / "x.pt", plain)
    assert holds(tmp_path / "x.pt", average, "model_ema")


def test_the_only_state_dict_is_read_whatever_it_is_called(tmp_path):
    state = small().state_dict()
    torch.save(checkpoint(ema=state, rng=torch.get_rng_state()), tmp_path / "x.pt")
    assert holds(tmp_path / "x.pt", state)


def test_of_several_one_is_chosen_by_key(tmp_path):
    torch.save({"generator": small(1).state_dict(), "critic": small(2).state_dict()}, tmp_path / "x.pt")
    with pytest.raises(UsageError, match="choose one of generator and critic with --weights-key"):
        opened(tmp_path / "x.pt", "x.pt")
    assert holds(tmp_path / "x.pt", small(2).state_dict(), "critic")
    with pytest.raises(UsageError, match=r"--weights-key is 'ema': x\.pt has state dicts in generator and critic"):
        opened(tmp_path / "x.pt", "x.pt", "ema")


def test_a_key_that_a_plain_state_dict_has_not_is_refused(tmp_path):
    torch.save(small().state_dict(), tmp_path / "x.pt")
    with pytest.raises(UsageError, match="leave the option out"):
        opened(tmp_path / "x.pt", "x.pt", "ema")


def test_a_state_dict_with_other_things_between_is_read_without_them(tmp_path, caplog):
    caplog.set_level(logging.INFO, "apcli")
    state = small().state_dict()
    torch.save({**state, "epoch": 3, "body._extra_state": {"a": torch.ones(1)}}, tmp_path / "x.pt")
    assert holds(tmp_path / "x.pt", state)
    assert "passed over: body._extra_state and epoch" in caplog.text


# ---- what is refused


class Trap:
    """A pickle that would make a file when loaded."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("container", ["zip", "legacy", "bare"])
def test_code_in_a_pickle_is_not_run(tmp_path, container):
    """Among the tensors it is refused by name; beside them it is passed over, as an empty object of that name."""
    file, sprung, state = tmp_path / "trap.pt", tmp_path / "sprung", small().state_dict()
    new = container == "zip"
    if container == "bare":
        file.write_bytes(pickle.dumps({"state_dict": {"trap": Trap(sprung)}}, protocol=2))
    else:
        torch.save({"state_dict": state | {"trap": Trap(sprung)}}, file, _use_new_zipfile_serialization=new)
    words = "damaged, or no PyTorch" if container == "bare" else "'trap' is a io.open, which takes code to load"
    with pytest.raises(ApcliError, match=words) as caught:
        opened(file, "trap.pt")
    assert "\n" not in str(caught.value)
    if container != "bare":
        torch.save({"state_dict": state, "trap": Trap(sprung)}, file, _use_new_zipfile_serialization=new)
        assert holds(file, state)
    assert not sprung.exists()


@pytest.mark.parametrize("new", [True, False])
def test_a_single_element_may_have_any_stride(tmp_path, new):
    state = {
        "one": torch.full((), 3.0, dtype=torch.bfloat16).expand(1),
        "row": torch.arange(6.0)[2:].as_strided((1,), (7,)),
    }
    torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=new)
    found = opened(tmp_path / "x.pt", "x.pt")
    assert {name: entry.values.tolist() for name, entry in found.items()} == {"one": [3.0], "row": [2.0]}


class Shell:
    def __reduce__(self):
        import os

        return os.system, ("exit 1",)


def test_what_torch_blocks_stays_blocked(tmp_path):
    torch.save({"state_dict": small().state_dict(), "x": Shell()}, tmp_path / "x.pt")
    with pytest.raises(ApcliError, match=r"contains code.*save its state_dict\(\)"):
        opened(tmp_path / "x.pt", "x.pt")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_whole_network_is_refused_with_the_remedy(tmp_path, new, wrapped):
    net = nn.Sequential(nn.Linear(2, 2))
    torch.save({"model": net} if wrapped else net, tmp_path / "net.pt", _use_new_zipfile_serialization=new)
    kind = r"torch\.nn\.modules\.container\.Sequential" if new else "whole network"
    with pytest.raises(ApcliError, match=rf"net.pt holds a {kind}.*save its state_dict\(\)"):
        opened(tmp_path / "net.pt", "net.pt")


def test_other_archives_are_refused_by_what_they_are(tmp_path):
    np.savez(tmp_path / "arrays.npz", a=np.ones(2))
    with pytest.raises(ApcliError, match=r"a ZIP archive, but not one of torch\.save"):
        opened(tmp_path / "arrays.npz", "arrays.npz")


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_torchscript_program_is_refused_by_what_it_is(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "net.pt")
    with pytest.raises(ApcliError, match=r"net\.pt is a TorchScript program"):
        opened(tmp_path / "net.pt", "net.pt")


def truncated(new: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(small().state_dict(), stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()[:-200]


@pytest.mark.parametrize(
    "content",
    [b"\x80\x02junk", b"PK\x03\x04junk", truncated(True), truncated(False)],
    ids=["pickle", "zip", "truncated", "truncated-legacy"],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ApcliError, match=r"weights\.pth is damaged, or no PyTorch state dict") as caught:
        opened(tmp_path / "weights.pth", "weights.pth")
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_a_damaged_file_that_is_no_archive_is_loaded_once(tmp_path, monkeypatch):
    loads, load = [], pickles._loaded
    monkeypatch.setattr(pickles, "_loaded", lambda *arguments: loads.append(arguments[-1]) or load(*arguments))
    (tmp_path / "weights.pth").write_bytes(truncated(False))
    with pytest.raises(ApcliError, match="is damaged"):
        opened(tmp_path / "weights.pth", "weights.pth")
    assert loads == ["cpu"]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ApcliError, match="cannot read none: No such file"):
        opened(tmp_path / "none", "none")


@pytest.mark.parametrize("content", [[torch.ones(1)], torch.ones(1), {}, {"fc.weight": 3}, {"state_dict": {"a": "b"}}])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ApcliError, match="expected tensors by name"):
        opened(tmp_path / "other.pt", "other.pt")


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.zeros(2, 2).to_sparse(), "is sparse"),
        (torch.zeros(2, device="meta"), "no numbers"),
        (torch.zeros(2).to(torch.float8_e4m3fn), "has type float8_e4m3fn: expected one of float64, "),
    ],
)
def test_tensors_that_no_safetensors_file_of_a_model_holds_are_refused(tmp_path, tensor, words):
    torch.save({"w": tensor}, tmp_path / "x.pt")
    with pytest.raises(ApcliError, match=words):
        opened(tmp_path / "x.pt", "x.pt")

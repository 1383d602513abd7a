"""What a file is, by its name and first bytes; what is no checkpoint is named, with what to do about it."""

import pickle
import struct

import pytest
import torch
from small_files import saved

from apcli.checkpoints.files.kinds import begins_pickle, is_pickle, refuse_foreign
from apcli.checkpoints.reading import read
from apcli.errors import ApcliError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46830571\n"


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (LFS, "a Git LFS pointer", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", "a web page", "download button"),
        (b"\n\n  <HTML><head>", "a web page", "download button"),
        (b'<?xml version="1.0"?><Error>', "an XML answer", "may have expired"),
        (b"GGUF\x03\0\0\0", "a GGUF file", "safetensors"),
        (b"\x89HDF\r\n\x1a\n", "HDF5", "safetensors"),
        (b"\x93NUMPY\x01\0", "a NumPy array", "safetensors"),
        (b"\x1f\x8b\x08\0", "a gzip archive", "unpack"),
    ],
)
def test_what_is_no_checkpoint_is_named_with_the_remedy(tmp_path, name, content, what, remedy):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ApcliError, match=what) as caught:
        read(tmp_path / name)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_an_index_of_other_files_is_named_with_the_remedy(tmp_path):
    index = tmp_path / "flax_model.msgpack.index.json"
    index.write_text('{"weight_map": {"fc.weight": "flax_model-00001-of-00002.msgpack"}}')
    with pytest.raises(
        ApcliError, match=r"expected \.safetensors\.index\.json or \.bin\.index\.json; take those of the"
    ):
        read(index)


def test_what_may_be_a_checkpoint_or_is_not_there_passes(tmp_path):
    refuse_foreign(saved(tmp_path / "net.safetensors"), "it")
    refuse_foreign(tmp_path / "nowhere.pth", "it")
    assert not is_pickle(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("new", [True, False])
def test_files_of_torch_save_are_known_by_their_content(tmp_path, new):
    path = tmp_path / "weights"
    torch.save({"fc.weight": torch.ones(2)}, path, _use_new_zipfile_serialization=new)
    assert is_pickle(path)
    assert begins_pickle(path.read_bytes()[:5])
    assert not is_pickle(saved(tmp_path / "net.safetensors"))


@pytest.mark.parametrize("length", [0x280, 0x10380, 0x580])
def test_a_length_that_looks_like_a_pickle_is_a_length(tmp_path, length):
    head = struct.pack("<Q", length) + b"{}"
    (tmp_path / "net").write_bytes(head)
    assert pickle.dumps({}, protocol=head[1])[:2] == head[:2]
    assert not is_pickle(tmp_path / "net")
    assert not begins_pickle(head)

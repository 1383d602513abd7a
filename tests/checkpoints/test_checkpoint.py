"""A checkpoint: its numbers are looked at, and other files name it."""

import pytest
import torch
from safetensors.torch import save_file
from small_files import saved

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.promises import Link
from apcli.checkpoints.reading import read
from apcli.errors import ApcliError


def test_nan_and_inf_are_named(tmp_path):
    good = torch.ones(2, 2)
    for bad in (float("nan"), float("inf"), float("-inf")):
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            save_file({"good": good, "bad": (good * bad).to(dtype)}, tmp_path / "t.safetensors")
            found = read(tmp_path / "t.safetensors")
            found.check_finite(["good"])
            with pytest.raises(ApcliError, match=r"t\.safetensors: tensor bad holds 4 NaN or Inf"):
                found.check_finite(["good", "bad"])


def test_links_are_relative_to_where_they_are_kept(tmp_path):
    (tmp_path / "a").mkdir()
    base = read(saved(tmp_path / "a" / "base.safetensors"))
    assert base.link(tmp_path / "b" / "c") == Link("../../a/base.safetensors", base.sha256)
    assert base.dense_link(tmp_path) == base.link(tmp_path) == Link("a/base.safetensors", base.sha256)
    piped = read(base.path, nameless=True)
    assert piped.link(tmp_path) == Link(None, base.sha256)
    assert (piped.label, piped.stem, base.stem) == ("standard input", "stdin", "base")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("net.lowest-0.5.safetensors", "net.lowest-0.5"),
        ("net.safetensors.index.json", "net"),
        ("net.pth", "net"),
        ("best.pth.tar", "best"),
        ("pytorch_model.bin", "pytorch_model"),
        ("net.v2", "net.v2"),
    ],
)
def test_the_stem_is_the_name_without_its_ending(tmp_path, name, stem):
    assert Checkpoint(tmp_path / name, tmp_path, {}).stem == stem

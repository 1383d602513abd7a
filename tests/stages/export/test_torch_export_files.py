"""Programs of torch.export: torch runs them without the network's code, for any number of images."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from channel_prunings import Branches
from torch import nn

from apcli.checkpoints.lineage import Lineage
from apcli.errors import ApcliError
from apcli.stages.export.torch_export_files import LINEAGE, read, write

pytestmark = pytest.mark.slow


class Stubborn(nn.Module):
    """Goes another way where its numbers are large: no program says which."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :5] if x.sum() > 0 else -x.flatten(1)[:, :5]


def test_torch_loads_it_with_its_lineage(exported: Any, tmp_path: Path) -> None:
    one = exported(network=Branches())
    write(one, tmp_path / "net.pt2")
    files = {LINEAGE: ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=files)
    assert Lineage.from_text(files[LINEAGE], "net.pt2").parent.sha256 == one.checkpoint.sha256
    for size in (1, 2, 5):
        images = torch.randn(size, 3, 16, 16)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(images), one.network(images))
    product = read(tmp_path / "net.pt2", one.spec)
    assert torch.equal(product.tensors["mix.weight"], one.network.mix.weight)


class TakingAny(Branches):
    """Its forward pass takes whatever it is given, as that of a compact network does that states sizes itself."""

    def forward(self, *args: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return super().forward(*args, **kwargs)


def test_any_number_of_images_where_the_code_names_no_argument(exported: Any, tmp_path: Path) -> None:
    one = exported(network=TakingAny())
    write(one, tmp_path / "net.pt2")
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.load(tmp_path / "net.pt2").module()(images), one.network(images))


def test_the_same_bytes_again_and_no_path_of_this_machine(exported: Any, tmp_path: Path) -> None:
    one = exported(network=Branches())
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(one, tmp_path / folder / "net.pt2")
    first = (tmp_path / "a" / "net.pt2").read_bytes()
    assert first == (tmp_path / "b" / "net.pt2").read_bytes()
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        contents = b"".join(map(archive.read, archive.namelist()))
    assert str(Path(__file__).parents[3]).encode() not in contents
    assert str(Path(torch.__file__).parent).encode() not in contents


def test_a_fixed_number_of_images(exported: Any, tmp_path: Path) -> None:
    write(replace(exported(network=Branches()), batch_size=3), tmp_path / "net.pt2")
    program = torch.export.load(tmp_path / "net.pt2").module()
    assert program(torch.randn(3, 3, 16, 16)).shape == (3, 5)
    with pytest.raises(AssertionError):
        program(torch.randn(2, 3, 16, 16))


def test_a_network_that_cannot_be_followed_is_told_in_a_line(exported: Any, tmp_path: Path) -> None:
    network = nn.Sequential(Stubborn(), nn.Linear(5, 5))
    with pytest.raises(
        ApcliError, match=r"torch.export cannot follow its network \(.*\): try a fixed --batch-size"
    ) as e:
        write(exported(network=network), tmp_path / "net.pt2")
    assert "\n" not in str(e.value)
    assert not (tmp_path / "net.pt2").exists()
    assert torch.backends.mha.get_fastpath_enabled()

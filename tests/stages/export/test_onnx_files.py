"""ONNX models: ONNX Runtime runs them, for any number of images."""

import io
import logging
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from channel_prunings import Branches
from torch import nn

from apcli.checkpoints.lineage import Lineage
from apcli.errors import ApcliError
from apcli.stages.export.onnx_files import read, write

pytestmark = pytest.mark.slow


class Unknown(nn.Module):
    """Calls what ONNX has no operation for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svdvals(x.flatten(2)).flatten(1)


def test_onnx_runtime_runs_it(exported: Any, tmp_path: Path, caplog: Any) -> None:
    one = exported(network=Branches())
    with redirect_stdout(io.StringIO()) as printed, caplog.at_level("WARNING"):
        write(one, tmp_path / "net.onnx")
    assert (printed.getvalue(), caplog.text) == ("", "")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model)
    assert [str(dim.dim_param or dim.dim_value) for dim in model.graph.input[0].type.tensor_type.shape.dim] == [
        *["batch", "3", "16", "16"]
    ]
    lineage = Lineage.from_text({one.key: one.value for one in model.metadata_props}["apcli"], "net.onnx")
    assert lineage.parent.sha256 == one.checkpoint.sha256
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for size in (1, 2, 5):
        images = torch.randn(size, 3, 16, 16)
        with torch.no_grad():
            wanted = one.network(images)
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        torch.testing.assert_close(torch.from_numpy(logits), wanted, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(read(tmp_path / "net.onnx", one.spec).run(images), wanted, rtol=1e-4, atol=1e-4)
    # A batch norm is folded into the convolution before it, whose zeros stay.
    zeros = {one.name: int((onnx.numpy_helper.to_array(one) == 0).sum()) for one in model.graph.initializer}
    assert zeros["stem.0.weight"] == int((one.network.stem[0].weight == 0).sum()) > 0


def test_the_same_bytes_again_and_no_path_of_this_machine(exported: Any, tmp_path: Path) -> None:
    one = replace(exported(network=Branches()), batch_size=3)
    for name in ("a.onnx", "b.onnx"):
        write(one, tmp_path / name)
    first = (tmp_path / "a.onnx").read_bytes()
    assert first == (tmp_path / "b.onnx").read_bytes()
    for path in (Path(__file__).parents[3], Path(torch.__file__).parent):
        assert str(path).encode() not in first
    dims = onnx.load(tmp_path / "a.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [3, 3, 16, 16]


def test_an_operation_that_onnx_has_not_is_told_in_a_line(exported: Any, tmp_path: Path) -> None:
    network = nn.Sequential(Unknown(), nn.Linear(3, 5))
    level = logging.getLogger("torch.onnx").level
    with pytest.raises(
        ApcliError, match=r"torch cannot write its network as ONNX \(.*\): try --format torch-"
    ) as caught:
        write(exported(network=network), tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "net.onnx").exists()
    assert logging.getLogger("torch.onnx").level == level

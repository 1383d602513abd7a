import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from apcli.checkpoints import reading, state_dicts, writing
from apcli.checkpoints.lineage import Lineage
from apcli.errors import ApcliError

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


def tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 2**31, (3, 4), generator=draw) % 200
    return {str(dtype): (values > 99 if dtype == torch.bool else values.to(dtype)) for dtype in DTYPES}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bytes_shape_and_values(dtype):
    tensor = tensors()[str(dtype)]
    entry = state_dicts.entry_of(tensor)
    assert entry.shape == (3, 4)
    assert entry.data.dtype == np.uint8
    assert entry.data.tobytes() == tensor.view(torch.uint8).numpy().tobytes()
    if tensor.is_floating_point():
        assert np.array_equal(entry.values, tensor.double().numpy())


def test_a_file_gives_the_state_dict_back(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    state = {**model.state_dict(), **tensors()}
    path = tmp_path / "net.safetensors"
    entries = state_dicts.entries_of(state)
    assert list(entries) == list(state)
    writing.write(path, entries, Lineage.EMPTY.then("train", {}))
    for read in (load_file(path), state_dicts.load_tensors(reading.read(path))):
        assert read.keys() == state.keys()
        for name, tensor in state.items():
            assert read[name].dtype == tensor.dtype
            assert torch.equal(read[name], tensor)
    model.load_state_dict({name: read[name] for name in model.state_dict()}, strict=True)


def test_views_numbers_and_nothing():
    whole = torch.arange(24.0).reshape(4, 6)
    for tensor in (whole.T, whole[1:3, ::2], torch.tensor(3.5), torch.empty(0, 5), torch.empty(5, 0).bfloat16()):
        entry = state_dicts.entry_of(tensor)
        assert entry.shape == tuple(tensor.shape)
        assert entry.size == tensor.numel()
        assert np.array_equal(entry.values, tensor.double().numpy())


def test_an_entry_is_a_copy():
    weight = nn.Parameter(torch.ones(2, 2))
    entry = state_dicts.entry_of(weight)
    with torch.no_grad():
        weight.zero_()
    assert entry.values.tolist() == [[1, 1], [1, 1]]


def test_a_single_element_may_have_any_stride():
    assert state_dicts.entry_of(torch.full((), 3.0, dtype=torch.bfloat16).expand(1)).values.tolist() == [3.0]


def test_special_values_keep_their_bits():
    odd = torch.tensor([0.0, -0.0, float("inf"), float("nan"), 1e-45], dtype=torch.float32)
    assert state_dicts.entry_of(odd).bits.tolist() == odd.view(torch.int32).to(torch.int64).remainder(2**32).tolist()
    assert state_dicts.entry_of(odd).zeros == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_make_no_checkpoint(bad):
    with pytest.raises(ApcliError, match="tensor b became NaN or Inf"):
        state_dicts.entries_of({"a": torch.ones(2), "n": torch.tensor(3), "b": torch.tensor([1.0, bad])})


def test_a_dtype_that_no_checkpoint_has_is_named():
    with pytest.raises(Exception, match="complex64") as caught:
        state_dicts.entry_of(torch.zeros(2, dtype=torch.complex64))
    assert not isinstance(caught.value, KeyError)

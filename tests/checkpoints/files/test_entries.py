"""Entries: values, bits and zeros of a file's tensors, a block at a time, and entries made of others."""

import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from apcli.checkpoints.files import entries
from apcli.checkpoints.files.entries import BITS, FLOATS, Derived, Entry
from apcli.checkpoints.reading import read


@pytest.mark.parametrize("dtype", BITS)
def test_a_derived_entry_is_as_one_that_is_there(dtype, monkeypatch):
    monkeypatch.setattr(entries, "BLOCK", 8)
    bits = np.arange(30).astype(BITS[dtype])
    bits[3] = 1 << (8 * bits.itemsize - 1)
    plain = Entry(dtype, (5, 6), bits.view(np.uint8))
    derived = Derived(dtype, (5, 6), plain.bits_of)
    assert (derived.nbytes, derived.width, derived.size) == (plain.nbytes, plain.width, 30)
    assert (derived.zeros, derived.set_bits, derived.not_finite) == (2, 29, 0)
    assert bytes(derived.data) == bytes(plain.data)
    assert bytes(derived.bytes_of(7, 19)) == bytes(plain.bytes_of(7, 19))
    assert np.array_equal(derived.values, plain.values)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_values_bits_and_zeros(tmp_path, dtype):
    tensor = torch.tensor([[0.0, -0.0, 1.5], [-2.0, 3e-5, 0.0]], dtype=dtype)
    save_file({"t": tensor, "whole": torch.zeros(2, dtype=torch.int64)}, tmp_path / "t.safetensors")
    found = read(tmp_path / "t.safetensors")
    assert np.array_equal(found.entries["t"].values, tensor.double().numpy())
    assert (found.entries["t"].zeros, found.entries["t"].size, found.entries["t"].width) == (3, 6, tensor.itemsize)
    assert found.entries["t"].bits.tobytes() == tensor.view(torch.uint8).numpy().tobytes()
    assert found.entries["t"].is_float
    assert not found.entries["whole"].is_float
    before = (tmp_path / "t.safetensors").read_bytes()
    with suppress(ValueError):  # read-only, or a copy
        found.entries["t"].values[...] = 1
    assert (tmp_path / "t.safetensors").read_bytes() == before
    assert found.entries["t"].zeros == 3


@pytest.mark.parametrize("shape", [(), (3, 0, 3), (1,) * 64, (0, 1 << 59), (1 << 59, 0)])
def test_shapes_that_arrays_can_have(shape):
    assert entries.is_shape(shape)
    assert np.empty(int(0 not in shape), np.float64).reshape(shape).shape == shape


@pytest.mark.parametrize("shape", [(1,) * 65, (0, 1 << 61), (1 << 31, 0, 1 << 31)])
def test_shapes_that_no_array_can_have(shape):
    assert not entries.is_shape(shape)
    with pytest.raises(ValueError):
        np.empty(int(0 not in shape), np.float64).reshape(shape)


@pytest.mark.parametrize("dtype", list(FLOATS))
def test_a_tensor_of_nothing(dtype):
    empty = Entry(dtype, (0, 3), np.empty(0, np.uint8))
    assert (empty.size, empty.zeros, empty.values.shape, empty.bits.size) == (0, 0, (0, 3), 0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_runs_are_all_the_elements_in_order(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr("apcli.checkpoints.files.entries.BLOCK", 7)
    tensor = ((torch.arange(45) - 22) / 8).to(dtype).reshape(5, 9)
    save_file({"a": torch.ones(3, dtype=torch.uint8), "w": tensor}, tmp_path / "x.safetensors")
    entry = read(tmp_path / "x.safetensors").entries["w"]
    runs = [run.copy() for run in entry.runs()]
    assert [run.size for run in runs] == [7, 7, 7, 7, 7, 7, 3]
    assert np.array_equal(np.concatenate(runs).astype(np.float64), tensor.double().numpy().ravel())
    assert np.array_equal(entry.run(40, 45).astype(np.float64), tensor.double().numpy().ravel()[40:])
    assert entry.zeros == 1
    assert entry.not_finite == 0


@pytest.mark.slow
def test_a_file_of_any_size_is_counted_in_the_memory_of_a_few_blocks(tmp_path):
    path = tmp_path / "x.safetensors"
    weight = torch.ones(1 << 24)
    weight[5::1000] = 0
    save_file({"w": weight}, path)
    entry = read(path).entries["w"]
    tracemalloc.start()
    assert sum(float(run.sum()) for run in entry.runs()) == float((1 << 24) - entry.zeros)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entry.zeros == len(range(5, 1 << 24, 1000))
    assert most < 24 << 20, "of 64 MiB: each of two threads has a block of 4 MiB, and what it counts in it"

"""Entries made of others."""

import numpy as np
import pytest

from apcli.checkpoints.files import entries
from apcli.checkpoints.files.entries import BITS, Derived, Entry


@pytest.mark.parametrize("dtype", BITS)
def test_a_derived_entry_is_as_one_that_is_there(dtype, monkeypatch):
    monkeypatch.setattr(entries, "BLOCK", 8)
    bits = np.arange(30).astype(BITS[dtype])
    bits[3] = 1 << (8 * bits.itemsize - 1)
    plain = Entry(dtype, (5, 6), bits.view(np.uint8))
    derived = Derived(dtype, (5, 6), plain.bits_of, plain)
    assert (derived.nbytes, derived.width, derived.size) == (plain.nbytes, plain.width, 30)
    assert (derived.zeros, derived.set_bits, derived.not_finite) == (2, 29, 0)
    assert bytes(derived.data) == bytes(plain.data)
    assert bytes(derived.bytes_of(7, 19)) == bytes(plain.bytes_of(7, 19))
    assert np.array_equal(derived.values, plain.values)

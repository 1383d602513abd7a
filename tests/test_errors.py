"""Memory that runs out, by its many names, and the messages of others' errors in one line."""

import pytest
import torch

from apcli.errors import ApcliError, first_line, is_out_of_memory


def test_memory_that_runs_out_is_known_by_all_its_names():
    with pytest.raises(RuntimeError) as of_a_cpu:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(of_a_cpu.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(ApcliError("can't allocate memory"))


def test_an_error_of_others_is_one_line():
    assert first_line(RuntimeError("\n  shapes differ: 3\nand 4\n")) == "shapes differ: 3"
    assert first_line(KeyError("name")) == "'name'"
    assert first_line(AssertionError()) == first_line(AssertionError(" \n")) == "AssertionError"

"""Which channels of the dense tensors are left: as text, joined over two compactions, and back in the dense shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.kept_channels import expanded, narrowed, parsed, written
from apcli.errors import ApcliError

INDICES = st.sets(st.integers(0, 40), min_size=1).map(sorted)


def entry(array, dtype="F32"):
    return Entry(dtype, array.shape, np.ascontiguousarray(array).reshape(-1).view(np.uint8))


@given(INDICES)
def test_the_text_reads_back(indices):
    text = written(np.array(indices))
    np.testing.assert_array_equal(parsed(text, len(indices)), indices)
    assert text == written(parsed(text, len(indices)))


def test_the_text_names_runs():
    assert written(np.array([0, 1, 2, 3, 5, 8, 9])) == "0-3,5,8-9"


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        ("", 0, "no list"),
        ("0-", 1, "no list"),
        ("-1", 1, "no list"),
        ("1, 2", 2, "no list"),
        ("a", 1, "no list"),
        ("\u0661", 1, "no list"),  # a digit, but not of ASCII
        ("0-3\n", 4, "no list"),
        ("0-3", 3, "lists 4 indices, the tensor has 3"),
        ("0-99999999999999", 5, "lists 100000000000000"),
        ("3-1,0-5", 5, "ascending"),
        ("99999999999999-0,0-99999999999999", 2, "ascending"),
        ("2,1", 2, "ascending"),
        ("1,1", 2, "ascending"),
        ("0-2,2", 4, "ascending"),
    ],
)
def test_a_text_of_anyone_is_not_trusted(text, count, words):
    with pytest.raises(ValueError, match=words):
        parsed(text, count)


@pytest.mark.slow
@given(INDICES, st.data())
def test_what_is_left_of_what_was_left_is_of_the_dense_tensor(indices, data):
    stay = data.draw(st.sets(st.integers(0, len(indices) - 1), min_size=1).map(sorted))
    kept = narrowed({"1": written(np.array(indices))}, 1, len(indices), np.array(stay))
    np.testing.assert_array_equal(parsed(kept["1"], len(stay)), np.array(indices)[stay])
    assert narrowed(kept, 0, 9, np.array([2, 3]))["0"] == "2-3"


def test_expanding_puts_zeros_where_entries_were_taken_out():
    dense = np.arange(1, 25, dtype=np.float32).reshape(4, 3, 2)
    dense[1, 0, 0] = -0.0
    rows, columns = [0, 1, 3], [0, 2]
    small = dense[rows][:, columns]
    found = expanded(entry(small), {"0": "0-1,3", "1": "0,2"}, (4, 3, 2))
    expected = np.zeros_like(dense)
    expected[np.ix_(rows, columns)] = small
    assert (found.dtype, found.shape) == ("F32", (4, 3, 2))
    np.testing.assert_array_equal(found.bits, expected.view(np.uint32).ravel())


@pytest.mark.parametrize(("dtype", "bits"), [("BF16", np.uint16), ("F16", np.uint16), ("F64", np.uint64)])
def test_expanding_keeps_the_bits_of_every_type(dtype, bits):
    small = np.array([[1, 40000], [3, 32768]], bits)
    found = expanded(entry(small, dtype), {"1": "1,3"}, (2, 4))
    np.testing.assert_array_equal(found.bits.reshape(2, 4), [[0, 1, 0, 40000], [0, 3, 0, 32768]])


@pytest.mark.parametrize(
    ("kept", "shape"),
    [
        ({"0": "0-1"}, (4, 4)),  # dimension 1 is not said to be smaller
        ({"0": "0-1"}, (2,)),
        ({"0": "0-1"}, (2, 3, 1)),
        ({"0": "0,4"}, (4, 3)),
        ({"0": "0-2"}, (4, 3)),
        ({"2": "0"}, (2, 3)),
        ({"0": "x"}, (4, 3)),
        ({"00": "0-1"}, (4, 3)),
        ({}, (4, 3)),
    ],
)
def test_kept_channels_that_do_not_fit(kept, shape):
    with pytest.raises(ApcliError, match="does not fit the shapes 2x3 and") as caught:
        expanded(entry(np.ones((2, 3), np.float32)), kept, shape)
    assert "\n" not in str(caught.value)

"""Where entries go when axes are split, merged and joined, against a reshape of the numbers themselves."""

import numpy as np
import pytest

from apcli.channels.trace.atoms import NOTHING, Atoms
from apcli.channels.trace.axes import Axis, Origin, ids_of, joined, merged, reshaped, split


def test_a_join_puts_one_axis_after_the_other():
    one, other = Axis(np.array([5, 6]), (Origin("a", 0, np.array([0, 1])),)), None
    both = joined([other, one], [1, 2])
    assert both.ids.tolist() == [NOTHING, 5, 6]
    assert both.origins[0].made.tolist() == [-1, 0, 1]
    assert joined([None, None], [1, 2]) is None
    assert ids_of(None, 2).tolist() == [NOTHING] * 2


@pytest.mark.parametrize(
    ("before", "live", "after", "carries"),
    [
        ((2, 5, 3, 3), 1, (2, 45), 1),
        ((2, 5, 1, 1), 1, (2, 5), 1),
        ((2, 45), None, (2, 5, 9), None),
        ((2, 7, 6), 2, (14, 6), 1),
        ((14, 6), 1, (2, 7, 6), 2),
        ((2, 4, 6, 5), 3, (2, 2, 2, 3, 2, 5), 5),
        ((2, 6, 7), 1, (2, 6, 7, 1), 1),
        ((2, 3, 4), 1, (6, 4), 0),
    ],
)
def test_one_axis_with_atoms_moves_as_its_numbers_do(before, live, after, carries):
    atoms = Atoms()
    axes = [Axis(atoms.new(size)) if dim == live else None for dim, size in enumerate(before)]
    found = reshaped(atoms, axes, before, after)
    assert [dim for dim, axis in enumerate(found) if axis is not None] == ([] if carries is None else [carries])
    if carries is not None:
        shape = [-1 if dim == live else 1 for dim in range(len(before))]
        numbers = np.broadcast_to(axes[live].ids.reshape(shape), before).reshape(after)
        ids = found[carries].ids.reshape([-1 if dim == carries else 1 for dim in range(len(after))])
        np.testing.assert_array_equal(numbers, np.broadcast_to(ids, after))


def test_flattened_pixels_are_found_again():
    atoms = Atoms()
    axis = Axis(atoms.new(4), (Origin("a", 0, np.arange(4)),))
    flat = reshaped(atoms, [None, axis, None], (2, 4, 9), (2, 36))[1]
    back = reshaped(atoms, [None, flat], (2, 36), (2, 4, 3, 3))
    assert back[1].ids.tolist() == axis.ids.tolist()
    assert back[1].origins[0].made.tolist() == [0, 1, 2, 3]
    assert back[0] is back[2] is back[3] is None


def test_heads_and_their_width_are_factors_and_become_one_axis_again():
    atoms = Atoms()
    axis = Axis(atoms.new(12))
    _, heads, width = reshaped(atoms, [None, axis], (2, 12), (2, 3, 4))
    assert (len(heads.ids), len(width.ids)) == (3, 4)
    assert merged(atoms, [heads, width], [3, 4]).ids.tolist() == axis.ids.tolist()
    assert split(atoms, axis, [3, 4])[0].ids.tolist() == heads.ids.tolist()


def test_an_irregular_reshape_lets_its_entries_stay():
    atoms = Atoms()
    axis, other = Axis(atoms.new(4)), Axis(atoms.new(5))
    found = reshaped(atoms, [axis, None, other], (4, 3, 5), (3, 4, 5))
    assert found[:2] == [None, None]
    assert found[2] is other
    classes = atoms.classes()
    assert all(classes.reasons[int(label)][0].text == "they are regrouped" for label in classes.of[axis.ids])
    assert not any(int(label) in classes.reasons for label in classes.of[other.ids])

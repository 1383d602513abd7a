"""Which atoms go together, against the plain definition: what is left of every grid is a grid."""

import itertools

import numpy as np
import pytest

from apcli.channels.trace.atoms import NOTHING, Atoms, Reason

STOP = Reason("stop")
NORM = Reason("norm", of_norm=True)


def partition(atoms: Atoms, *arrays: np.ndarray) -> list[list[int]]:
    """Each array's classes, numbered by their first appearance."""
    of = atoms.classes().of
    seen: dict[int, int] = {}
    return [[seen.setdefault(int(of[i]), len(seen)) for i in array.ravel()] for array in arrays]


def why(atoms: Atoms, array: np.ndarray) -> list[tuple[str, ...]]:
    found = atoms.classes()
    return [tuple(reason.text for reason in found.reasons.get(int(found.of[i]), ())) for i in array]


def test_what_is_equated_goes_together_and_reasons_spread():
    atoms = Atoms()
    a, b, c = atoms.new(3), atoms.new(3), atoms.new(3)
    atoms.equate(a, b)
    atoms.equate(b, c[::-1].copy())
    atoms.fix(c[:1], STOP)
    assert partition(atoms, a, b, c) == [[0, 1, 2], [0, 1, 2], [2, 1, 0]]
    assert why(atoms, a) == [(), (), ("stop",)]


def test_an_entry_without_an_atom_stays_and_so_does_what_it_meets():
    atoms = Atoms()
    a, mixed = atoms.new(3), atoms.new(3)
    mixed[1] = NOTHING
    atoms.equate(a, mixed, STOP)
    assert why(atoms, a) == [(), ("stop",), ()]


def test_a_factor_that_stays_whole_leaves_slabs_of_the_other():
    atoms = Atoms()
    whole = atoms.new(12)
    rows, columns = atoms.split(whole, (3, 4))
    atoms.fix(columns, STOP)
    assert partition(atoms, whole) == [[0] * 4 + [1] * 4 + [2] * 4]
    assert not any(why(atoms, whole))
    assert partition(atoms, whole[::4], rows) == [[0, 1, 2]] * 2


def test_a_choice_lets_most_entries_go_and_most_of_them_apart():
    atoms = Atoms()
    larger, partly, normed = (atoms.new(12) for _ in range(3))
    atoms.split(larger, (3, 4))
    _, columns = atoms.split(partly, (3, 4))
    atoms.fix(columns[:1], STOP)
    _, columns = atoms.split(normed, (3, 4))
    atoms.fix(columns, NORM)
    assert partition(atoms, larger) == [[0, 1, 2, 3] * 3]
    assert partition(atoms, partly) == [[0] * 4 + [1] * 4 + [2] * 4]
    assert partition(atoms, normed) == partition(atoms, partly)
    assert not any(why(atoms, np.concatenate([larger, partly, normed])))


def test_grids_that_share_a_factor_agree_on_it():
    """As in attention: the heads of queries and values are the same, and only the queries' width must stay."""
    atoms = Atoms()
    queries, values = atoms.new(6), atoms.new(20)
    heads, width = atoms.split(queries, (2, 3))
    others, _ = atoms.split(values, (2, 10))
    atoms.equate(heads, others)
    atoms.fix(width, STOP)
    assert partition(atoms, queries, values) == [[0] * 3 + [1] * 3, [0] * 10 + [1] * 10]


def test_all_factors_that_stay_let_nothing_go():
    atoms = Atoms()
    whole = atoms.new(6)
    for factor in atoms.split(whole, (2, 3)):
        atoms.fix(factor, STOP)
    assert set(why(atoms, whole)) == {("stop",)}


def test_merging_what_was_split_gives_the_same_and_a_transpose_another():
    atoms = Atoms()
    whole = atoms.new(6)
    factors = atoms.split(whole, (2, 3))
    assert np.array_equal(atoms.merged(factors), whole)
    assert not np.isin(atoms.merged(factors[::-1]), whole).any()
    assert atoms.split(whole, (2, 3))[0] is factors[0]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_of_every_grid_is_a_grid(seed):
    """Whatever was said and chosen: remove any classes that may go, and look at each grid."""
    draws = np.random.default_rng(seed)
    atoms = Atoms()
    grids = []
    for _ in range(4):
        sizes = tuple(int(n) for n in draws.integers(2, 4, 2))
        whole = atoms.new(sizes[0] * sizes[1])
        grids.append((whole.reshape(sizes), atoms.split(whole, sizes)))
    for _ in range(6):
        one, other = draws.integers(0, atoms.count, (2, 1))
        atoms.equate(one, other)
    atoms.fix(draws.integers(0, atoms.count, 1), STOP)
    found = atoms.classes()
    free = [label for label in np.unique(found.of).tolist() if label not in found.reasons]
    for removed in itertools.chain(([], free), ([label] for label in free)):
        stays = ~np.isin(found.of, removed)
        for whole, (rows, columns) in grids:
            np.testing.assert_array_equal(stays[whole], stays[rows][:, None] & stays[columns])

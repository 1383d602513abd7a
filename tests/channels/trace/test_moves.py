"""Operations that move entries: an axis's atoms must be where PyTorch puts the numbers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from apcli.channels.trace.products import RULES, followed
from apcli.channels.trace.tracing import Tracer

SIZES = (2, 12, 4, 6)


class Source(nn.Module):
    """A tensor whose axes have atoms."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = nn.Parameter(torch.zeros(SIZES))


def followed_through(operation):
    """By dimension of the source: the axes of the result, and the result of its atoms as numbers."""
    source = Source()
    tracer = Tracer(source, RULES, followed, [""])
    atoms = [axis.ids for axis in tracer.axes(source.numbers)]
    with torch.no_grad(), tracer:
        result = operation(source.numbers)
    found = [None if axis is None else axis.ids for axis in tracer.axes(result)]
    moved = []
    for dim, ids in enumerate(atoms):
        shape = [-1 if k == dim else 1 for k in range(len(SIZES))]
        numbers = torch.from_numpy(ids).double().reshape(shape).expand(SIZES)
        moved.append(operation(numbers.contiguous()))
    return atoms, found, moved, tracer


MOVES = {
    "permute": (lambda x: x.permute(3, 0, 2, 1), {0: 1, 1: 3, 2: 2, 3: 0}),
    "transpose": (lambda x: x.transpose(1, -1), {0: 0, 1: 3, 2: 2, 3: 1}),
    "unsqueeze": (lambda x: x.unsqueeze(2), {0: 0, 1: 1, 2: 3, 3: 4}),
    "squeeze": (lambda x: x[:, :, None].squeeze(2), {0: 0, 1: 1, 2: 2, 3: 3}),
    "slice": (lambda x: x[:, :, 1:3], {0: 0, 1: 1, 2: 2, 3: 3}),
    "select": (lambda x: x[:, :, 1], {0: 0, 1: 1, 3: 2}),
    "unbind": (lambda x: x.unbind(0)[1], {1: 0, 2: 1, 3: 2}),
    "pieces": (lambda x: x.split([5, 7], 1)[1], {0: 0, 1: 1, 2: 2, 3: 3}),
    "chunks": (lambda x: x.chunk(3, 1)[2], {0: 0, 1: 1, 2: 2, 3: 3}),
    "join": (lambda x: torch.cat([x, x], 1), {1: 1}),
    "stack": (lambda x: torch.stack([x, x], 1), {0: 0, 1: 2, 2: 3, 3: 4}),
    "repeat": (lambda x: x.repeat(1, 2, 1, 1), {1: 1, 3: 3}),
    "expand": (lambda x: x[:, None].expand(2, 3, 12, 4, 6), {1: 2, 3: 4}),
    "table": (lambda x: x.permute(1, 0, 2, 3)[torch.tensor([0, 5, 5])], {0: 1, 2: 2, 3: 3}),
    "rows": (lambda x: x.index_select(2, torch.tensor([3, 1])), {0: 0, 1: 1, 3: 3}),
    "clone": (lambda x: x.clone(), {0: 0, 1: 1, 2: 2, 3: 3}),
    "patches": (lambda x: F.unfold(x, 2), {0: 0, 1: 1}),
}


@pytest.mark.parametrize("name", MOVES)
def test_atoms_are_where_the_numbers_go(name):
    operation, carried = MOVES[name]
    _, found, moved, _ = followed_through(operation)
    for source, dim in carried.items():
        shape = [-1 if k == dim else 1 for k in range(moved[source].dim())]
        ids = torch.from_numpy(found[dim]).double().reshape(shape).expand_as(moved[source])
        torch.testing.assert_close(ids, moved[source], rtol=0, atol=0)


WHOLE = {
    "select": (lambda x: x[:, :, 1], [2]),
    "slice": (lambda x: x[:, 2:5], [1]),
    "roll": (lambda x: x.roll(1, 2), [2]),
    "flip": (lambda x: x.flip(3), [3]),
    "table": (lambda x: x[torch.tensor([0, 1])], [0]),
    "pool": (lambda x: F.max_pool2d(x, 2), [2, 3]),
    "shuffle": (lambda x: F.pixel_shuffle(x, 2), [2, 3]),
    "unknown": (lambda x: torch.linalg.svdvals(x.mT), [2, 3, 1]),
    "nothing": (lambda x: x.permute(0, 2, 3, 1).reshape(2, 24, 12), []),
}


@pytest.mark.parametrize("name", WHOLE)
def test_dimensions_whose_order_or_number_matters_stay_whole(name):
    operation, dims = WHOLE[name]
    atoms, _, _, tracer = followed_through(operation)
    classes = tracer.atoms.classes()
    fixed = [dim for dim, ids in enumerate(atoms) if all(int(classes.of[i]) in classes.reasons for i in ids)]
    assert set(dims) <= set(fixed)
    assert not dims or set(fixed) <= {0, *dims} if name != "unknown" else set(fixed) == {0, 1, 2, 3}


def test_what_an_operation_takes_that_is_not_followed_is_named():
    _, _, _, tracer = followed_through(lambda x: x.cumsum(1))
    reasons = {reason.text for found in tracer.atoms.classes().reasons.values() for reason in found}
    assert "apcli does not follow cumsum in the network" in reasons


def test_added_zeros_have_atoms_of_their_own():
    atoms, found, _, tracer = followed_through(lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)))
    assert found[1][1:-2].tolist() == atoms[1].tolist()
    added = found[1][[0, -2, -1]]
    assert (added >= 0).all()
    assert len({int(tracer.atoms.classes().of[i]) for i in (*added, *atoms[1])}) == 15

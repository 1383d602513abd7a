"""The lines, on random intervals and points in them."""

import pytest
import torch
import torch.nn.functional as F

from apcli.probes.twins.relaxations import Forms, Interval, Maximum, Reach, Relu, dot, parts_of, plus
from apcli.probes.twins.steps import Window

SHAPE = (2, 5, 6)


def points(draw, near):
    """300 pairs of values, and the reach that they fill: of pairs that are ``near``, the difference is small."""
    centre = torch.randn(SHAPE, generator=draw, dtype=torch.float64)
    x = centre + torch.randn(300, *SHAPE, generator=draw, dtype=torch.float64)
    y = x + near * torch.randn(300, *SHAPE, generator=draw, dtype=torch.float64)
    reach = Reach(*(Interval(v.amin(0, keepdim=True), v.amax(0, keepdim=True)) for v in (x, y, x - y)))
    return x, y, reach.narrowed


def values(forms, x, y):
    """[points, rows]."""
    parts = [forms.constant.expand(len(x), -1)]
    for rows, value in zip(forms.tracks, (x, y, x - y), strict=True):
        parts += [] if rows is None else [value.flatten(1) @ rows.flatten(1).T]
    return sum(parts)


@pytest.mark.parametrize("near", [1e-3, 0.3, 3.0])
@pytest.mark.parametrize("window", [None, Window((2, 2), (2, 2), (0, 0)), Window((3, 2), (2, 1), (1, 1))])
def test_lines_are_never_below(near, window):
    draw = torch.Generator().manual_seed(1)
    for _ in range(5):
        x, y, reach = points(draw, near)
        relaxation = Maximum(reach, window) if window else Relu(reach)

        def after(value, window=window):
            return F.max_pool2d(value, window.size, window.step, window.padding) if window else F.relu(value)

        fx, fy = after(x), after(y)
        rows = torch.randn(3, 8, *fx.shape[1:], generator=draw, dtype=torch.float64)
        for tracks in ({"dense": rows[0]}, {"pruned": rows[1]}, {"difference": rows[2]}):
            forms = Forms(torch.zeros(8, dtype=torch.float64), **tracks)
            excess = values(relaxation.back(forms), x, y) - values(forms, fx, fy)
            assert excess.min() >= -1e-9, tracks.keys()
        together = Forms(torch.ones(8, dtype=torch.float64), *rows)
        assert (values(relaxation.back(together), x, y) >= values(together, fx, fy) - 1e-9).all()


def one(low, high):
    return Interval(torch.tensor([[low]], dtype=torch.float64), torch.tensor([[high]], dtype=torch.float64))


def difference_above(x, y, d):
    """The form above relu(x) - relu(y)."""
    unit = torch.ones(1, 1, dtype=torch.float64)
    found = Relu(Reach(x, y, d)).back(Forms(torch.zeros(1, dtype=torch.float64), difference=unit))
    return [0.0 if rows is None else float(rows) for rows in (*found.tracks, found.constant)]


def test_lines_of_one_difference():
    """[dense, pruned, difference, constant]."""
    on, off, both = one(1.0, 2.0), one(-2.0, -1.0), one(-1.0, 1.0)
    close, wide = one(-0.1, 0.1), one(-2.0, 2.0)
    assert difference_above(on, one(0.5, 3), wide) == [0, 0, 1, 0]
    assert difference_above(off, off, close) == [0, 0, 0, 0]
    assert difference_above(on, off, one(2, 4)) == [1, 0, 0, 0]
    assert difference_above(off, on, one(-4, -2)) == [0, -1, 0, 0]
    assert difference_above(both, both, close) == pytest.approx([0, 0, 0.5, 0.05])
    assert difference_above(on, both, one(-0.1, 0.1)) == [0, 0, 1, 0], "x is above 0"
    assert difference_above(off, both, one(-0.1, 0.1)) == [0, 0, 0, 0], "x is below 0"
    assert difference_above(both, on, wide)[1:3] == [-1, 0], "far apart: each by itself"


def test_small_ones():
    a = torch.ones(2, 3)
    assert plus(None, None) is None
    assert plus(a, None) is plus(None, a) is a
    assert torch.equal(plus(a, a), 2 * a)
    assert dot(None, a) == 0
    assert dot(a, a[:1]).tolist() == [3, 3]
    assert [list(part) for part in parts_of(5, 2)] == [[0, 1], [2, 3], [4]]

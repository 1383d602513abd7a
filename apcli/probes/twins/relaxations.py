"""Lines above and below ReLU and a maximum over windows, for two networks and for their difference.

Zhang et al. 2018 (CROWN, arXiv:1811.00866) for one network; relu(x) - relu(y) lies between 0 and x - y (Paulsen et al.
2020, ReluDiff, arXiv:2001.03662), which is the tighter one where the networks are close.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from apcli.probes.twins.steps import Window


@dataclass(frozen=True)
class Interval:
    """Bounds of a step's result: float64 [1, ...] each."""

    low: Tensor
    high: Tensor

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.low)

    def within(self, other: "Interval") -> "Interval":
        """The intersection with an interval that holds as well."""
        return Interval(torch.maximum(self.low, other.low), torch.minimum(self.high, other.high))


@dataclass(frozen=True)
class Reach:
    """What a step's result can be in each track, over the box."""

    dense: Interval
    pruned: Interval
    difference: Interval

    @property
    def narrowed(self) -> "Reach":
        """The same; the difference is also within the difference of the two others."""
        x, y = self.dense, self.pruned
        return replace(self, difference=self.difference.within(Interval(x.low - y.high, x.high - y.low)))


@dataclass(frozen=True)
class Forms:
    """Affine forms of a step's results: dense'x + pruned'y + difference'd + constant; None is 0.

    A tensor is [rows, ...], ... the shape of the result, and a row is a form; ``constant`` is [rows].
    """

    constant: Tensor
    dense: Tensor | None = None
    pruned: Tensor | None = None
    difference: Tensor | None = None

    def __add__(self, other: "Forms") -> "Forms":
        pairs = zip(self.tracks, other.tracks, strict=True)
        return Forms(self.constant + other.constant, *(plus(a, b) for a, b in pairs))

    @property
    def tracks(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        return self.dense, self.pruned, self.difference


def plus(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """The sum, where None is 0."""
    return b if a is None else a if b is None else a + b


def dot(rows: Tensor | None, value: Tensor) -> Tensor | float:
    """Each row's inner product with a value [1, ...]: [rows]."""
    return 0.0 if rows is None else (rows * value).flatten(1).sum(dim=1)


@dataclass(frozen=True)
class _Line:
    """dense x + pruned y + difference d + constant, elementwise: [1, ...] each."""

    dense: Tensor
    pruned: Tensor
    difference: Tensor
    constant: Tensor

    def __neg__(self) -> "_Line":
        return _Line(-self.dense, -self.pruned, -self.difference, -self.constant)


class Relu:
    """The lines of relu over a reach: per element, an upper and a lower one for each track."""

    def __init__(self, reach: Reach) -> None:
        x, y, d = reach.dense, reach.pruned, reach.difference
        zero = torch.zeros_like(x.low)
        slope, constant = _above(x)
        self._dense = _Line(slope, zero, zero, constant), _Line(_below(x), zero, zero, zero)
        slope, constant = _above(y)
        self._pruned = _Line(zero, slope, zero, constant), _Line(zero, _below(y), zero, zero)
        swapped = -_difference_above(y, x, -d)  # relu(x) - relu(y) = -(relu(y) - relu(x))
        below = _Line(swapped.pruned, swapped.dense, -swapped.difference, swapped.constant)
        self._difference = _difference_above(x, y, d), below

    def back(self, forms: Forms) -> Forms:
        """Forms of the inputs that are at least these forms of the outputs."""
        result = Forms(forms.constant)
        for rows, (above, below) in zip(forms.tracks, (self._dense, self._pruned, self._difference), strict=True):
            if rows is None:
                continue
            up, down = rows.clamp(min=0), rows.clamp(max=0)
            constant = dot(up, above.constant) + dot(down, below.constant)
            pairs = ((above.dense, below.dense), (above.pruned, below.pruned), (above.difference, below.difference))
            used = (up * a + down * b if bool(a.any() or b.any()) else None for a, b in pairs)
            result += Forms(torch.as_tensor(constant), *used)
        return result


def _above(x: Interval) -> tuple[Tensor, Tensor]:
    """Slope and constant of the least line above relu over an interval."""
    crosses = (x.low < 0) & (x.high > 0)
    slope = torch.where(
        crosses, x.high / (x.high - x.low).where(crosses, torch.ones_like(x.low)), (x.low >= 0).double()
    )
    return slope, torch.where(crosses, -slope * x.low, torch.zeros_like(slope))


def _below(x: Interval) -> Tensor:
    """Slope of a line through 0 below relu: 0 or 1, whichever leaves less between."""
    return ((x.low >= 0) | (x.high > -x.low)).double()


def _difference_above(x: Interval, y: Interval, d: Interval) -> _Line:
    """A line above relu(x) - relu(y), d = x - y: from that of relu(x) and of relu(y), or from d, by their gaps.

    From d: the difference is at most d where x >= 0 for sure, at most 0 where x <= 0 for sure, else at most max(d, 0).
    """
    slope, constant = _above(x)
    lower = _below(y)
    gap = constant + torch.where((y.low < 0) & (y.high > 0), torch.minimum(y.high, -y.low), torch.zeros_like(y.low))
    apart = torch.maximum(d.high.abs(), d.low.abs())
    near = ((x.low >= 0) & (y.low >= 0)) | ((gap > 0) & (apart <= gap))
    of_d, constant_of_d = _above(d)
    sure = (x.low >= 0) | (x.high <= 0)
    of_d = torch.where(sure, (x.low >= 0).double(), of_d)
    constant_of_d = torch.where(sure, torch.zeros_like(constant_of_d), constant_of_d)
    far = (~near).double()
    return _Line(slope * far, -lower * far, of_d * near, torch.where(near, constant_of_d, constant))


class Maximum:
    """Lines of the maximum over windows: the element with the largest lower bound where none other can be larger."""

    def __init__(self, reach: Reach, window: Window) -> None:
        self._window, self._shape = window, reach.dense.low.shape
        x, y = (_Chosen(self._windows(one.low), self._windows(one.high)) for one in (reach.dense, reach.pruned))
        high = self._windows(reach.difference.high).amax(dim=2)
        low = self._padded(reach.difference.low, torch.inf).amin(dim=2)
        self._high, self._low = torch.minimum(high, x.high - y.low), torch.maximum(low, x.low - y.high)
        self._both = (x.alone & y.alone & (x.place == y.place)).double()
        self._x, self._y = x, y

    def _windows(self, value: Tensor) -> Tensor:
        return self._padded(value, -torch.inf)

    def _padded(self, value: Tensor, fill: float) -> Tensor:
        """The elements of each window: [B, channels, elements, windows]."""
        rows, columns = self._window.padding
        padded = F.pad(value, (columns, columns, rows, rows), value=fill)
        parts = F.unfold(padded, self._window.size, stride=self._window.step)
        return parts.unflatten(1, (value.shape[1], -1))

    def back(self, forms: Forms) -> Forms:
        """Forms of the inputs that are at least these forms of the outputs."""
        result = Forms(forms.constant)
        dense, pruned, difference = (None if rows is None else rows.flatten(2) for rows in forms.tracks)
        if dense is not None:
            rows, rest = self._x.back(dense)
            result += Forms(rest, dense=self._onto(rows, self._x.place))
        if pruned is not None:
            rows, rest = self._y.back(pruned)
            result += Forms(rest, pruned=self._onto(rows, self._y.place))
        if difference is not None:
            other = difference * (1 - self._both)
            constant = dot(other.clamp(min=0), self._high) + dot(other.clamp(max=0), self._low)
            used = self._onto(difference * self._both, self._x.place)
            result += Forms(torch.as_tensor(constant), difference=used)
        return result

    def _onto(self, rows: Tensor, place: Tensor) -> Tensor:
        """Rows [R, channels, windows] laid onto the chosen element of each window: [R, channels, height, width]."""
        elements = self._window.size[0] * self._window.size[1]
        parts = rows.new_zeros(*rows.shape[:2], elements, rows.shape[2])
        parts.scatter_(2, place.expand(len(rows), -1, -1)[:, :, None], rows[:, :, None])
        top, left = self._window.padding
        height, width = self._shape[2:]
        size = (height + 2 * top, width + 2 * left)
        folded = F.fold(parts.flatten(1, 2), size, self._window.size, stride=self._window.step)
        return folded[:, :, top : top + height, left : left + width]


class _Chosen:
    """The element of the largest lower bound in each window: its place, and whether no other can be larger."""

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.place = low.max(dim=2)
        self.high = high.amax(dim=2)
        others = high.scatter(2, self.place[:, :, None], -torch.inf).amax(dim=2)
        self.alone = others <= self.low

    def back(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What of these rows [R, channels, windows] stands on the chosen element, and the constant [R] of the rest."""
        rest = rows.clamp(min=0) * ~self.alone
        return rows - rest, torch.as_tensor(dot(rest, self.high))


Relaxation = Relu | Maximum


def parts_of(rows: int, at_once: int) -> Iterator[range]:
    """Ranges of at most ``at_once`` rows."""
    return (range(start, min(start + at_once, rows)) for start in range(0, rows, at_once))

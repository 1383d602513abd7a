"""Theorem F: norms of convolutions with zero padding, and what Theorem C needs of their kernels.

Derived, in the spirit of Qian & Klabjan, arXiv:2105.10065. A kernel is [out, in / groups, *window], of any number of
spatial dimensions. One of a transposed convolution, [in, out / groups, *window], is that of the convolution which it is
the adjoint of: the same norms, with the transposed convolution's output in the place of the input.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from apcli.theory.closeness.norms import SpectralNorm, spectral_norm
from apcli.theory.closeness.random_masks import Entries, Series

CHUNK = 2**22  # complex numbers that are held at once


@dataclass(frozen=True)
class Sliding:
    """How a window slides over an image, one number for each spatial dimension.

    Attributes:
        window: kernel size.
        stride: step between windows.
        dilation: step between the pixels of a window.
        padding: zeros at either end; the larger, if the ends differ.
        groups: of channels, which see only their own.
        image: input size in pixels, if known: only then are there sharper bounds than the number of copies.
        padding_mode: "zeros" only: others make the norm larger.

    Raises:
        ValueError: the numbers are of several lengths, out of range, or the padding is not of zeros.
    """

    window: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int = 1
    image: tuple[int, ...] | None = None
    padding_mode: str = "zeros"

    def __post_init__(self) -> None:
        sizes = (self.window, self.stride, self.dilation, *([] if self.image is None else [self.image]))
        lengths = {len(size) for size in (*sizes, self.padding)}
        if len(lengths) > 1 or min(itertools.chain(*sizes, (self.groups,))) < 1 or min(self.padding, default=0) < 0:
            raise ValueError(f"{self}: expected numbers >= 1 (padding >= 0), as many of each as there are dimensions")
        if self.padding_mode != "zeros":
            raise ValueError(f"padding mode is {self.padding_mode}: expected zeros, the only one whose norm is bounded")

    @property
    def copies(self) -> int:
        """How often a pixel is in a window, at most: the product of ceil(window / stride) if there is no dilation.

        In one dimension pixel i is at place u of a window if u * dilation = i + padding modulo the stride.
        """
        return math.prod(
            -(-k * math.gcd(s, d) // s) for k, s, d in zip(self.window, self.stride, self.dilation, strict=True)
        )

    @property
    def circle(self) -> tuple[int, ...] | None:
        """The smallest grid, in multiples of the stride, on which the circular convolution contains this one.

        The image is followed by as many zeros as a window reaches over either end; None if the image is not known.
        """
        if self.image is None:
            return None
        reach = [min(p, d * (k - 1)) for p, d, k in zip(self.padding, self.dilation, self.window, strict=True)]
        return tuple(-(-(n + r) // s) * s for n, r, s in zip(self.image, reach, self.stride, strict=True))


def unfolded(kernel: np.ndarray, groups: int = 1) -> np.ndarray:
    """R(K), which is multiplied by all windows: [groups, out / groups, in / groups * pixels of the window].

    Raises:
        ValueError: the groups do not divide the kernel's first size.
    """
    if kernel.ndim < 2 or groups < 1 or len(kernel) % groups:
        raise ValueError(
            f"a kernel of shape {kernel.shape}: expected [out, in / groups, ...], {groups} groups dividing out"
        )
    return kernel.reshape(groups, len(kernel) // groups, -1)


def windowed_norm(kernel: np.ndarray, sliding: Sliding) -> SpectralNorm:
    """Bound the norm by sqrt(copies) |R(K)|, for any image: what is multiplied holds each pixel at most that often."""
    _check(kernel, sliding)
    whole = spectral_norm(unfolded(kernel, sliding.groups)).times(math.sqrt(sliding.copies))
    return SpectralNorm(whole.value, whole.upper, "windows")


def circular_norm(kernel: np.ndarray, sliding: Sliding, circle: tuple[int, ...]) -> SpectralNorm:
    """The exact norm of the circular convolution on a grid, by its Fourier transform.

    The transform makes of a convolution one matrix K^(f) [out, in] for each frequency f, and a stride s adds those of
    the frequencies that are equal modulo size / s: the norm is the largest of [K^(f + j size / s)]_j / sqrt(s).

    Args:
        kernel: of real numbers.
        sliding: stride, dilation and groups; padding does not matter on a circle.
        circle: size of the grid, a multiple of the stride in each dimension.

    Raises:
        ValueError: the kernel is not of the window's shape, or the stride does not divide the grid's size.
    """
    _check(kernel, sliding)
    if len(circle) != len(sliding.stride) or any(n % s for n, s in zip(circle, sliding.stride, strict=True)):
        raise ValueError(f"a grid of {circle} with stride {sliding.stride}: expected multiples of the stride")
    norms = [spectral_norm(matrices) for matrices in _transforms(kernel, sliding, circle)]
    largest = max(norms, key=lambda norm: norm.upper)
    return SpectralNorm(max(norm.value for norm in norms), largest.upper, "circle")


def operator_norm(kernel: np.ndarray, sliding: Sliding) -> SpectralNorm:
    """An upper bound on the norm of a convolution with zero padding, by the circle if the image's size is known.

    The circle contains the convolution, whose input and output are parts of the grid's: its norm is exact but for the
    image's edge, and never above that by windows. Without a size, or where no pixel is in two windows, that is the
    bound. ``value`` is the bound's own.
    """
    if sliding.circle is None or sliding.copies == 1:
        return windowed_norm(kernel, sliding)
    return circular_norm(kernel, sliding, sliding.circle)


def entries(kernel: np.ndarray, sliding: Sliding, norm: SpectralNorm | None = None) -> Entries:
    """What Theorem C needs of a kernel whose weights are masked, each for all places at once.

    There are two series. One is that of R(K), times sqrt(copies). In the other each weight is a shift of the circle
    from one channel to another, of norm 1: rows are then output channels, and columns input channels, times the grid's
    size in the dimension; it needs the image's size.

    Args:
        norm: the kernel's ``operator_norm``, if it is known already.
    """
    norm = operator_norm(kernel, sliding) if norm is None else norm
    blocks = unfolded(kernel, sliding.groups)
    squares = blocks * blocks
    of_rows, of_columns = squares.sum(axis=2), squares.sum(axis=1)
    factor = math.sqrt(sliding.copies)
    row, column = float(of_rows.max()), float(of_columns.max())
    series = [Series(of_rows.size + of_columns.size, row, column, spectral_norm(blocks).upper, factor)]
    if sliding.circle is not None:
        of_channels = of_columns.reshape(sliding.groups, kernel.shape[1], -1).sum(axis=2)
        grid, steps = math.prod(sliding.circle), math.prod(sliding.stride)
        dimension = of_rows.size * (grid // steps) + of_channels.size * grid
        series.append(Series(dimension, row, float(of_channels.max()), norm.upper))
    return Entries(
        count=kernel.size,
        largest=float(np.abs(kernel).max()),
        frobenius=float(np.linalg.norm(kernel)),
        norm=norm.upper,
        series=tuple(series),
        lipschitz=factor,
    )


def _transforms(kernel: np.ndarray, sliding: Sliding, circle: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The matrices whose norms are those of the frequencies: complex [frequencies, groups, out, in * strides].

    A frequency and its negative have one norm, as the kernel is real: half of the first dimension's are enough.
    """
    blocks = unfolded(kernel, sliding.groups).reshape(sliding.groups, -1, kernel.shape[1], math.prod(sliding.window))
    taps = np.array(list(itertools.product(*map(range, sliding.window)))) * np.array(sliding.dilation)
    reduced = [n // s for n, s in zip(circle, sliding.stride, strict=True)]
    if reduced:
        reduced[0] = reduced[0] // 2 + 1
    frequencies = np.array(list(itertools.product(*map(range, reduced))))
    steps = [np.arange(s) * (n // s) for n, s in zip(circle, sliding.stride, strict=True)]
    aliases = np.array(list(itertools.product(*steps)))
    at_once = max(1, CHUNK // (kernel.size // blocks.shape[-1] * len(aliases)))
    for start in range(0, len(frequencies), at_once):
        turns = (frequencies[start : start + at_once, None] + aliases) / np.array(circle)
        phases = np.exp(-2j * np.pi * (turns @ taps.T)) / math.sqrt(len(aliases))
        found = np.tensordot(phases, blocks, (2, 3))  # [frequencies, strides, groups, out, in]
        yield np.moveaxis(found, 1, 4).reshape(*found.shape[:1], *found.shape[2:4], -1)


def _check(kernel: np.ndarray, sliding: Sliding) -> None:
    if kernel.shape[2:] != sliding.window:
        raise ValueError(f"a kernel of shape {kernel.shape}: expected a window of {sliding.window} behind its channels")

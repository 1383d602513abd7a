"""Theorem F: norms against PyTorch's convolutions as dense matrices, reference values, and masks that are drawn."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from apcli.theory.closeness import convolutions
from apcli.theory.closeness.convolutions import (
    Sliding,
    circular_norm,
    entries,
    operator_norm,
    unfolded,
    windowed_norm,
)
from apcli.theory.closeness.random_masks import bernoulli, exactly

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


@pytest.fixture(scope="module")
def kernel() -> np.ndarray:
    """K[o, i, u, v] = sin(1 + 0.7 o + 1.3 i + 2.1 u + 0.4 v + 0.9 o i + 0.5 u v) / 3 of shape [4, 3, 3, 3]."""
    o, i, u, v = np.indices((4, 3, 3, 3))
    return np.sin(1 + 0.7 * o + 1.3 * i + 2.1 * u + 0.4 * v + 0.9 * o * i + 0.5 * u * v) / 3


def square(size: int | None, stride: int = 1, padding: int = 1, dilation: int = 1, groups: int = 1) -> Sliding:
    image = None if size is None else (size, size)
    return Sliding((3, 3), (stride, stride), (dilation, dilation), (padding, padding), groups, image)


def dense(kernel: np.ndarray, sliding: Sliding) -> np.ndarray:
    """The matrix of the convolution: PyTorch's of every unit image."""
    channels = kernel.shape[1] * sliding.groups
    size = channels * math.prod(sliding.image)
    units = torch.eye(size, dtype=torch.float64).reshape(size, channels, *sliding.image)
    keywords = {name: getattr(sliding, name) for name in ("stride", "padding", "dilation", "groups")}
    return CONVOLUTIONS[len(sliding.window)](units, torch.tensor(kernel), **keywords).reshape(size, -1).numpy().T


def on_the_circle(kernel: np.ndarray, sliding: Sliding, circle: tuple[int, ...]) -> float:
    """The norm of the circular convolution: of images repeated as far as a window reaches."""
    channels, dimensions = kernel.shape[1] * sliding.groups, len(circle)
    size = channels * math.prod(circle)
    units = torch.eye(size, dtype=torch.float64).reshape(size, channels, *circle)
    for axis, (n, k, d) in enumerate(zip(circle, sliding.window, sliding.dilation, strict=True)):
        units = units.index_select(axis + 2, torch.arange(n + d * (k - 1)) % n)
    keywords = {name: getattr(sliding, name) for name in ("stride", "dilation", "groups")}
    found = CONVOLUTIONS[dimensions](units, torch.tensor(kernel), **keywords)
    return float(np.linalg.norm(found.reshape(size, -1).numpy(), 2))


def test_reference_values(kernel):
    assert windowed_norm(kernel, square(None)).upper == pytest.approx(4.63288746114, rel=1e-11)
    assert np.linalg.norm(unfolded(kernel)[0], 2) == pytest.approx(1.54429582038, rel=1e-11)
    assert np.linalg.norm(unfolded(kernel)) == pytest.approx(2.4148189582770, rel=1e-13)
    slices = sum(np.linalg.norm(kernel[:, :, u, v], 2) for u, v in np.ndindex(3, 3))
    assert slices == pytest.approx(5.54786975256, rel=1e-11)


@pytest.mark.parametrize(
    ("size", "exact", "circular"),
    [(6, 3.50657132542, 3.63203261626), (8, 3.62400954517, 3.78693605472), (12, 3.7422049946, 3.80741551928)],
)
def test_reference_norms(kernel, size, exact, circular):
    sliding = square(size)
    assert np.linalg.norm(dense(kernel, sliding), 2) == pytest.approx(exact, rel=1e-11)
    assert circular_norm(kernel, sliding, (size, size)).value == pytest.approx(circular, rel=1e-11)
    found = operator_norm(kernel, sliding)
    assert sliding.circle == (size + 1, size + 1)
    assert exact <= found.upper <= 1.1 * exact


@pytest.mark.parametrize(
    ("size", "expected"), [(8, 3.78693605472), (10, 3.82362049458), (14, 3.8359452265), (256, 3.86148710454)]
)
def test_reference_transforms(kernel, size, expected):
    assert circular_norm(kernel, square(None), (size, size)).value == pytest.approx(expected, rel=1e-11)


def test_reference_norm_of_a_stride(kernel):
    sliding = square(8, stride=2)
    exact = np.linalg.norm(dense(kernel, sliding), 2)
    assert exact == pytest.approx(1.96612262676, rel=1e-11)
    assert windowed_norm(kernel, sliding).upper == pytest.approx(3.08859164076, rel=1e-11)
    assert exact <= operator_norm(kernel, sliding).upper < 1.1 * exact


CASES = [  # window, stride, dilation, padding, groups, image
    ((3, 3), (1, 1), (1, 1), (1, 1), 1, (5, 6)),
    ((3, 3), (2, 2), (1, 1), (1, 1), 1, (6, 7)),
    ((3, 2), (1, 2), (1, 1), (0, 1), 2, (6, 5)),
    ((3, 3), (1, 1), (2, 2), (2, 2), 1, (6, 6)),
    ((3, 3), (2, 2), (2, 2), (2, 2), 2, (7, 6)),
    ((3, 3), (3, 3), (2, 2), (2, 2), 1, (7, 6)),
    ((1, 1), (2, 2), (1, 1), (0, 0), 1, (6, 6)),
    ((2, 2), (4, 4), (1, 1), (3, 3), 1, (5, 5)),
    ((5, 5), (1, 1), (1, 1), (2, 2), 1, (3, 3)),
    ((7, 7), (4, 4), (1, 1), (3, 3), 1, (9, 9)),
    ((3, 3), (1, 1), (1, 1), (1, 1), 6, (5, 5)),
    ((4,), (2,), (3,), (5,), 2, (11,)),
    ((2, 2, 2), (1, 2, 1), (1, 1, 1), (1, 0, 1), 1, (3, 3, 2)),
]


@pytest.mark.parametrize("case", CASES)
def test_no_convolution_has_a_larger_norm(case):
    """Nor its adjoint, which is the transposed convolution of the same kernel."""
    sliding = Sliding(*case)
    random = np.random.default_rng(len(case[0]))
    for _ in range(5):
        kernel = random.normal(size=(6, 6 // sliding.groups, *sliding.window)) * random.choice([0.01, 1, 100])
        matrix = dense(kernel, sliding)
        exact = np.linalg.norm(matrix, 2)
        by_circle, by_windows = operator_norm(kernel, sliding), windowed_norm(kernel, sliding)
        assert exact <= by_circle.upper <= by_windows.upper * (1 + 1e-12)
        expected = "windows" if sliding.copies == 1 else "circle"
        assert (by_circle.method, by_windows.method) == (expected, "windows")
        grid = tuple(-(-n // s) * s for n, s in zip(sliding.image, sliding.stride, strict=True))
        for circle in {grid, sliding.circle}:
            expected = on_the_circle(kernel, sliding, circle)
            assert circular_norm(kernel, sliding, circle).value == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_a_pixel_is_in_as_many_windows(case):
    sliding = Sliding(*case)
    counts = dense(np.ones((1, 1, *sliding.window)), Sliding(*case[:4], 1, case[5])).sum(axis=0)
    assert counts.max() <= sliding.copies
    large = tuple(4 * s * k * d for s, k, d in zip(sliding.stride, sliding.window, sliding.dilation, strict=True))
    if len(large) == 1:
        assert dense(np.ones((1, 1, *sliding.window)), Sliding(*case[:4], 1, large)).sum(axis=0).max() == sliding.copies
    plain = [-(-k // s) for k, s in zip(sliding.window, sliding.stride, strict=True)]
    assert set(sliding.dilation) != {1} or sliding.copies == math.prod(plain)


@pytest.mark.parametrize(("stride", "output_padding"), [(1, 0), (2, 0), (2, 1)])
def test_transposed_convolutions(stride, output_padding):
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    units = torch.eye(4 * 5 * 5, dtype=torch.float64).reshape(-1, 4, 5, 5)
    keywords = {"stride": stride, "padding": 1, "output_padding": output_padding}
    outputs = TRANSPOSED[2](units, torch.tensor(kernel), **keywords)
    exact = np.linalg.norm(outputs.reshape(len(units), -1).numpy(), 2)
    sliding = Sliding((3, 3), (stride, stride), (1, 1), (1, 1), image=tuple(outputs.shape[2:]))
    assert exact <= operator_norm(kernel, sliding).upper <= 1.2 * exact


def test_a_fully_connected_layer_is_a_convolution_without_space(weights):
    sliding = Sliding((), (), (), (), image=())
    assert sliding.copies == 1
    assert operator_norm(weights[0], sliding).value == pytest.approx(1.3538557826353, rel=1e-12)


def test_frequencies_in_parts_are_the_same(kernel, monkeypatch):
    whole = circular_norm(kernel, square(None, stride=2), (12, 10))
    monkeypatch.setattr(convolutions, "CHUNK", 1)
    assert circular_norm(kernel, square(None, stride=2), (12, 10)).value == pytest.approx(whole.value, rel=1e-14)


@pytest.mark.parametrize("case", [CASES[index] for index in (0, 1, 2, 4, 7, 8, 11)])
def test_masked_kernels_are_covered(case):
    """20 masks of each kernel, as dense matrices: no tail and no norm above its bound."""
    sliding, random = Sliding(*case), np.random.default_rng(7)
    kernel = random.normal(size=(4, 4 // sliding.groups, *sliding.window))
    known = entries(kernel, sliding)
    exact = np.linalg.norm(dense(kernel, sliding), 2)
    assert exact <= known.norm
    for fraction in (0.02, 0.3):
        count = max(1, int(fraction * kernel.size))
        order = np.argsort(random.random((5, kernel.size)), axis=1).argsort(axis=1)
        drawn = {
            bernoulli(known, fraction, 0.05): random.random((5, *kernel.shape)) < fraction,
            exactly(known, count, 0.05): (order < count).reshape(5, *kernel.shape),
        }
        for bound, masks in drawn.items():
            for mask in masks:
                limits = (bound.tail, bound.removed, bound.kept)
                for part, limit in zip((mask - bound.fraction, mask, ~mask), limits, strict=True):
                    assert np.linalg.norm(dense(part * kernel, sliding), 2) <= limit * (1 + 1e-12)


def test_the_series_of_channels_is_the_sharper_one():
    """Of 64 channels and 3 x 3 windows on 8 x 8 pixels: half of what rows of the unfolded kernel give."""
    kernel = np.random.default_rng(8).normal(size=(64, 64, 3, 3))
    known, blind = entries(kernel, square(8)), entries(kernel, square(None))
    assert [series.scale for series in known.series] == [3, 1]
    assert [series.scale for series in blind.series] == [3]
    row, column = (float((kernel**2).sum(axis=axes).max()) for axes in ((1, 2, 3), (0, 2, 3)))
    assert (known.series[1].row, known.series[1].column) == pytest.approx((row, column), rel=1e-13)
    assert known.series[1].dimension == 128 * 81
    assert known.lipschitz == blind.lipschitz == 3
    assert bernoulli(known, 0.1, 0.05).tail < 0.6 * bernoulli(blind, 0.1, 0.05).tail


@pytest.mark.parametrize(
    "call",
    [
        lambda k: Sliding((3, 3), (1, 1), (1, 1), (1, 1), padding_mode="reflect"),
        lambda k: Sliding((3, 3), (1,), (1, 1), (1, 1)),
        lambda k: Sliding((3, 3), (0, 1), (1, 1), (1, 1)),
        lambda k: Sliding((3, 3), (1, 1), (1, 1), (-1, 1)),
        lambda k: Sliding((3, 3), (1, 1), (1, 1), (1, 1), groups=0),
        lambda k: Sliding((3, 3), (1, 1), (1, 1), (1, 1), image=(8,)),
        lambda k: unfolded(k, 3),
        lambda k: unfolded(k[0, 0, 0]),
        lambda k: windowed_norm(k[..., :2], square(8)),
        lambda k: circular_norm(k, square(8, stride=2), (9, 8)),
        lambda k: circular_norm(k, square(8), (8,)),
    ],
)
def test_what_is_refused(kernel, call):
    with pytest.raises(ValueError, match="expected"):
        call(kernel)


def test_many_random_shapes():
    """200 convolutions of one dimension, all numbers drawn: none above its bound."""
    for seed in range(200):
        random = np.random.default_rng(seed)
        k, s, d, p = (int(random.integers(1, 5)) for _ in range(4))
        groups, image = int(random.choice([1, 2])), int(random.integers(1, 12))
        if image + 2 * p < d * (k - 1) + 1:
            continue
        sliding = Sliding((k,), (s,), (d,), (p,), groups, (image,))
        kernel = random.normal(size=(4, 4 // groups, k))
        matrix = dense(kernel, sliding)
        assert np.linalg.norm(matrix, 2) <= operator_norm(kernel, sliding).upper, seed
        assert operator_norm(kernel, sliding).upper <= windowed_norm(kernel, sliding).upper * (1 + 1e-12), seed


def test_the_product_of_all_places_is_not_needed():
    """A kernel of one place is its matrix, whatever the image."""
    kernel = np.random.default_rng(9).normal(size=(5, 4, 1, 1))
    expected = np.linalg.norm(kernel[:, :, 0, 0], 2)
    for stride, image in itertools.product((1, 2, 3), (4, 7)):
        sliding = Sliding((1, 1), (stride, stride), (1, 1), (0, 0), image=(image, image))
        assert operator_norm(kernel, sliding).value == pytest.approx(expected, rel=1e-13)

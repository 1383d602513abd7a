"""How operations that move entries without computing move them: reshapes, slices, joins, and pairs in step."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from apcli.channels.trace.atoms import NOTHING, OUTSIDE, Reason
from apcli.channels.trace.axes import Axes, Axis, joined, merged, reshaped, split
from apcli.channels.trace.tracing import Operation, Rule, Tracer

CUT = Reason("they are split or repeated")
POOLED = Reason("their order matters: they are shifted or pooled")


def pointwise(tracer: Tracer, operation: Operation) -> None:
    """Entries at one place of several tensors are removed together."""
    tensors = operation.tensors
    for result in operation.results:
        tracer.set(result, [_met(tracer, tensors, k - result.dim(), size) for k, size in enumerate(result.shape)])
        if tensors and all(tracer.is_plain(tensor) for tensor in tensors):
            tracer.set_plain(result)


def _met(tracer: Tracer, tensors: Sequence[Tensor], dim: int, size: int) -> Axis | None:
    """The axis ``dim``, counted from the last one, of tensors that are broadcast together."""
    present = [t for t in tensors if t.dim() >= -dim and t.shape[dim] == size]
    axes = [tracer.axes(tensor)[dim] for tensor in present]
    real = [axis for axis in axes if axis is not None]
    if not real or size == 0:
        return None
    for axis in axes:
        tracer.equate(real[0], axis, OUTSIDE)
    origins = {id(o): o for axis in real for o in axis.origins}
    ids = real[0].ids if len(real) == len(axes) else np.full(size, NOTHING)
    return Axis(ids, tuple(origins.values())) if origins or len(real) == len(axes) else None


def fresh(tracer: Tracer, operation: Operation) -> None:
    """A tensor of zeros or the like has entries as they are needed."""
    for result in operation.results:
        tracer.set(result, [Axis(tracer.atoms.new(size)) if size > 1 else None for size in result.shape])


def _moved(move: Callable[[Tracer, Operation, Axes], Sequence[Axes]]) -> Rule:
    """A rule for operations on one tensor; what comes of a parameter alone remains so."""

    def rule(tracer: Tracer, operation: Operation) -> None:
        source = operation.tensors[0]
        for result, axes in zip(operation.results, move(tracer, operation, tracer.axes(source)), strict=True):
            tracer.set(result, axes)
            if tracer.is_plain(source):
                tracer.set_plain(result)

    return rule


@_moved
def reshape(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    return [reshaped(tracer.atoms, axes, operation["self"].shape, operation.results[0].shape)]


@_moved
def permute(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    return [[axes[dim] for dim in operation["dims"]]]


@_moved
def transpose(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Two dimensions in each other's place."""
    swapped, (one, other) = list(axes), (operation.get("dim0", 0), operation.get("dim1", -1))
    if swapped:
        swapped[one], swapped[other] = axes[other], axes[one]
    return [swapped]


@_moved
def unsqueeze(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    at = operation["dim"] % (len(axes) + 1)
    return [[*axes[:at], None, *axes[at:]]]


@_moved
def squeeze(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Dimensions of one entry go."""
    dims = operation.get("dim", range(len(axes)))
    gone = {dim % len(axes) for dim in ([dims] if isinstance(dims, int) else dims)} if axes else set()
    return [[axis for k, axis in enumerate(axes) if k not in gone or operation["self"].shape[k] != 1]]


@_moved
def expand(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Copies have entries as they are needed, and so have dimensions that are added in front."""
    shape, before = operation.results[0].shape, operation["self"].shape
    lead = len(shape) - len(before)
    found: list[Axis | None] = []
    for k, size in enumerate(shape):
        copied = k < lead or before[k - lead] != size
        found.append((Axis(tracer.atoms.new(size)) if size > 1 else None) if copied else axes[k - lead])
    return [found]


@_moved
def repeat(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """The whole tensor several times along dimensions, and in dimensions in front."""
    times = operation["repeats"]
    lead = len(times) - len(axes)
    sizes = operation["self"].shape
    tiled = [merged(tracer.atoms, [None, axis], [n, s]) for axis, n, s in zip(axes, times[lead:], sizes, strict=True)]
    return [[*[None] * lead, *tiled]]


@_moved
def select(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """One or each of the entries along a dimension: it stays whole."""
    dim = operation["dim"] % len(axes)
    tracer.fix(axes[dim], CUT)
    return [[axis for k, axis in enumerate(axes) if k != dim]] * len(operation.results)


@_moved
def part(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """A slice, which leaves a dimension whole unless it is the dimension itself."""
    dim, shape = operation["dim"] % len(axes), operation["self"].shape
    if operation.results[0].shape[dim] == shape[dim]:
        return [axes]
    tracer.fix(axes[dim], CUT)
    places = np.arange(shape[dim])[slice(operation["start"], operation["end"], operation["step"])]
    return [[axis.take(places) if k == dim and axis is not None else axis for k, axis in enumerate(axes)]]


@_moved
def pieces(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Consecutive pieces along a dimension."""
    dim = operation["dim"] % len(axes)
    axis = axes[dim]
    found, start = [], 0
    for result in operation.results:
        end = start + result.shape[dim]
        own = None if axis is None else axis.take(np.arange(start, end))
        found.append([*axes[:dim], own, *axes[dim + 1 :]])
        start = end
    return found


def join(tracer: Tracer, operation: Operation) -> None:
    """A concatenation of ``tensors`` along ``dim``."""
    tensors = [tensor for tensor in operation["tensors"] if tensor.numel()]
    (result,) = operation.results
    dim = operation["dim"] % result.dim()
    axes = [_met(tracer, tensors, k - result.dim(), size) if k != dim else None for k, size in enumerate(result.shape)]
    if tensors:
        axes[dim] = joined([tracer.axes(tensor)[dim] for tensor in tensors], [t.shape[dim] for t in tensors])
    tracer.set(result, axes)
    if all(tracer.is_plain(tensor) for tensor in tensors):
        tracer.set_plain(result)


def stack(tracer: Tracer, operation: Operation) -> None:
    """A join along a dimension of its own, which stays whole."""
    tensors, (result,) = operation["tensors"], operation.results
    dim = operation["dim"] % result.dim()
    inner = tensors[0].shape
    axes = [_met(tracer, tensors, k - len(inner), size) for k, size in enumerate(inner)]
    tracer.set(result, [*axes[:dim], None, *axes[dim:]])
    if all(tracer.is_plain(tensor) for tensor in tensors):
        tracer.set_plain(result)


@_moved
def pad(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """A padding by a number: the entries that it adds can be as many as are needed."""
    found, amounts = list(axes), operation["pad"]
    for k in range(len(amounts) // 2):
        before, after = amounts[2 * k : 2 * k + 2]
        axis = axes[-1 - k]
        if axis is not None and min(before, after) < 0:
            tracer.fix(axis, CUT)
            found[-1 - k] = None
        elif axis is not None and before + after:
            added = [Axis(tracer.atoms.new(before)), axis, Axis(tracer.atoms.new(after))]
            found[-1 - k] = joined(added, [before, len(axis.ids), after])
    return [found]


@_moved
def shift(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """A shift or reversal of the entries along dimensions, which stay whole."""
    return [still(tracer, axes, operation.get("dims") or range(len(axes)))]


@_moved
def window(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Windows along a dimension, whose entries are a new last one."""
    return [[*still(tracer, axes, [operation["dimension"]]), None]]


@_moved
def resample(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Pooling, interpolation or mirrored padding of the last dimensions of images."""
    dims = next((int(d) for d in "123" if f"{d}d" in operation.name), 2)
    return [still(tracer, axes, range(-dims, 0))] * len(operation.results)


def still(tracer: Tracer, axes: Axes, dims: Sequence[int]) -> list[Axis | None]:
    """The axes, of which some must stay."""
    whole = {dim % len(axes) for dim in dims}
    for dim in whole:
        tracer.fix(axes[dim], POOLED)
    return [None if k in whole else axis for k, axis in enumerate(axes)]


@_moved
def patches(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """The pixels of windows as channels: [B, C, H, W] to [B, C k, L]."""
    channels, height = operation["self"].shape[1], operation.results[0].shape[1]
    wide = merged(tracer.atoms, [axes[1], None], [channels, height // channels])
    return [[still(tracer, axes, [2, 3])[0], wide, None]]


@_moved
def from_patches(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """The sum of windows: [B, C k, L] to [B, C, H, W]."""
    height, channels = operation["self"].shape[1], operation.results[0].shape[1]
    own, inner = split(tracer.atoms, axes[1], [channels, height // channels])
    tracer.fix(inner, POOLED)
    return [[axes[0], own, None, None]]


@_moved
def shuffle_pixels(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Channels as pixels, [B, C r r, H, W] to [B, C, r H, r W], or the reverse."""
    before, after = operation["self"].shape[1], operation.results[0].shape[1]
    if before < after:
        wide = merged(tracer.atoms, [axes[1], None], [before, after // before])
    else:
        wide, inner = split(tracer.atoms, axes[1], [after, before // after])
        tracer.fix(inner, POOLED)
    return [[axes[0], wide, *still(tracer, axes, [2, 3])[2:]]]


@_moved
def shuffle_channels(tracer: Tracer, operation: Operation, axes: Axes) -> Sequence[Axes]:
    """Groups of channels, interleaved."""
    size, groups = operation["self"].shape[1], operation["groups"]
    outer, inner = split(tracer.atoms, axes[1], [groups, size // groups])
    return [[axes[0], merged(tracer.atoms, [inner, outer], [size // groups, groups]), *axes[2:]]]


def lookup(tracer: Tracer, operation: Operation) -> None:
    """Rows of a table: its first dimension, or the indexed ones, stay whole."""
    (result,) = operation.results
    if operation.name == "embedding":
        table, indices = operation["weight"], [operation["indices"]]
    elif operation.name == "index_select":
        table = operation["self"]
        indices = [None] * (operation["dim"] % table.dim()) + [operation["index"]]
    else:
        table, indices = operation["self"], operation["indices"]
    at = [k for k, index in enumerate(indices) if index is not None]
    axes = list(tracer.axes(table))
    masks = [indices[k] for k in at if indices[k].dtype in (torch.bool, torch.uint8) and indices[k].dim() > 1]
    if masks or at != list(range(at[0], at[-1] + 1)):
        unknown(tracer, operation)
        return
    for k in at:
        tracer.fix(axes[k], CUT)
    middle = result.dim() - (len(axes) - len(at))
    tracer.set(result, [*axes[: at[0]], *[None] * middle, *axes[at[-1] + 1 :]])
    if tracer.is_plain(table):
        tracer.set_plain(result)


def restride(tracer: Tracer, operation: Operation) -> None:
    """Another layout in memory, as long as the shape is the same."""
    axes, shape = tracer.axes(operation["self"]), operation.results[0].shape
    if len(axes) == len(shape) and all(a is None or len(a.ids) == n for a, n in zip(axes, shape, strict=True)):
        tracer.set(operation.results[0], axes)
    else:
        unknown(tracer, operation)


def unknown(tracer: Tracer, operation: Operation) -> None:
    """Let all entries stay that an operation takes which is not followed."""
    reason = Reason(f"apcli does not follow {operation.name} in {tracer.place[-1] or 'the network'}")
    for tensor in operation.tensors:
        for axis, size in zip(tracer.axes(tensor), tensor.shape, strict=True):
            if size > 1 and axis is not None and (axis.ids != NOTHING).any():
                tracer.fix(axis, reason)


RULES: dict[str, Rule] = {
    **dict.fromkeys(["view", "_unsafe_view", "reshape", "_reshape_alias", "_reshape_copy", "unflatten"], reshape),
    **dict.fromkeys(["transpose", "t", "numpy_T"], transpose),
    **dict.fromkeys(["select", "unbind"], select),
    **dict.fromkeys(["split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_split_with_sizes"], pieces),
    **dict.fromkeys(["roll", "flip"], shift),
    **dict.fromkeys(["pixel_shuffle", "pixel_unshuffle"], shuffle_pixels),
    **dict.fromkeys(["channel_shuffle", "native_channel_shuffle"], shuffle_channels),
    **dict.fromkeys(["index", "index_select", "embedding"], lookup),
    **dict.fromkeys([new + kind for kind in ("zeros", "ones", "full", "empty") for new in ("", "new_")], fresh),
    "permute": permute, "unsqueeze": unsqueeze, "squeeze": squeeze, "expand": expand, "repeat": repeat, "slice": part,
    "as_strided": restride, "cat": join, "stack": stack, "constant_pad_nd": pad, "unfold": window, "im2col": patches,
    "col2im": from_patches,
}  # fmt: skip
RULES |= dict.fromkeys(
    ["clone", "detach", "alias", "lift_fresh", "_to_copy", "copy", "fill", "zero", "zeros_like", "ones_like",
     "empty_like", "full_like", "rand_like", "randn_like", "bernoulli", "native_dropout", "prelu", "_prelu_kernel",
     "hardswish", "normal", "uniform", "contiguous", "where", "_conj", "as_strided_scatter", "dropout",
     # in place, these have the tag in later versions of PyTorch only, or in none
     "abs", "celu", "elu", "gelu", "hardsigmoid", "hardtanh", "leaky_relu", "masked_fill", "mish", "relu6", "selu",
     "threshold"],
    pointwise,
)  # fmt: skip
RULES |= dict.fromkeys(
    [f"{kind}{d}d" for d in (1, 2, 3) for kind in (
        "avg_pool", "max_pool", "adaptive_avg_pool", "_adaptive_avg_pool", "adaptive_max_pool", "reflection_pad",
        "replication_pad", "upsample_nearest", "_upsample_nearest_exact", "mkldnn_max_pool",
    )]
    + ["max_pool2d_with_indices", "max_pool3d_with_indices", "upsample_linear1d", "upsample_bilinear2d",
       "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "upsample_trilinear3d"],
    resample,
)  # fmt: skip

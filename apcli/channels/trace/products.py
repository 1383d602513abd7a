"""How operations that compute across entries couple them: layers, norms, attention, and statistics."""

from torch import Tensor

from apcli.channels.trace import moves
from apcli.channels.trace.atoms import OUTSIDE, Reason
from apcli.channels.trace.axes import Axes, Axis, Origin, split
from apcli.channels.trace.moves import pointwise, unknown
from apcli.channels.trace.tracing import COMPUTED, Operation, Rule, Tracer

MEET = Reason("they meet in a product of two activations, as in attention")
WEIGHED = Reason("a softmax weighs them against others")
STANDARDISED = Reason("a weight is standardised over them before a layer takes it", of_norm=True)
STATISTICS = Reason("a norm takes its statistics over them", of_norm=True)


def product(tracer: Tracer, operation: Operation) -> None:
    """A product of matrices [..., n, k] and [..., k, m], of which one may be a layer's weight, plus a bias."""
    bias = operation.get("self") if operation.name in ("addmm", "baddbmm", "addmv") else None
    one, other = [tensor for tensor in operation.tensors if tensor is not bias][-2:]
    ones, others = list(tracer.axes(one)), list(tracer.axes(other))
    batch = [_same(tracer, *pair) for pair in zip(ones[:-2], others[:-2], strict=True)]
    (rows, inner), (columns, outer) = ones[-2:], others[-2:]
    if tracer.is_plain(other):
        tracer.read(inner, columns)
        outer = tracer.made(outer)
    elif tracer.is_plain(one):
        tracer.read(columns, inner)
        rows = tracer.made(rows)
    else:
        for axis, size in ((inner, one.shape[-1]), (columns, other.shape[-2])):
            if size > 1:
                tracer.fix(axis, MEET)
        rows, outer = _bare(rows), _bare(outer)
        tracer.multiply([*batch, rows, inner, outer], [*one.shape, other.shape[-1]])
    (result,) = operation.results
    tracer.set(result, [*batch, rows, outer])
    if bias is not None:
        _add_bias(tracer, bias, result)


def _add_bias(tracer: Tracer, bias: Tensor, result: Tensor) -> None:
    axes = tracer.axes(result)
    for k in range(1, bias.dim() + 1):
        if bias.shape[-k] == result.shape[-k]:
            tracer.equate(axes[-k], tracer.axes(bias)[-k], OUTSIDE)


def _same(tracer: Tracer, one: Axis | None, other: Axis | None) -> Axis | None:
    tracer.equate(one, other, OUTSIDE)
    return _bare(one)


def _bare(axis: Axis | None) -> Axis | None:
    """An axis without its origins: no layer reads the channels of products by themselves."""
    return None if axis is None else Axis(axis.ids)


def convolution(tracer: Tracer, operation: Operation) -> None:
    """Full, grouped and depthwise convolutions, transposed or not."""
    images, weight, bias, groups = (operation[key] for key in ("input", "weight", "bias", "groups"))
    turned, (result,) = operation["transposed"], operation.results
    axes, own = tracer.axes(images), tracer.axes(weight)
    outputs, inputs = (own[1], own[0]) if turned else (own[0], own[1])
    if not tracer.is_plain(weight):
        tracer.fix(axes[1], COMPUTED)
        made = None
    elif groups == 1:
        tracer.read(axes[1], inputs)
        made = tracer.made(outputs)
    elif groups == images.shape[1] == result.shape[1]:
        made = _depthwise(tracer, axes[1], own[0])
    else:
        made = _grouped(tracer, axes[1], own, groups, turned)
    if bias is not None:
        tracer.equate(made, tracer.axes(bias)[0], OUTSIDE)
    tracer.set(result, [axes[0], made, *moves.still(tracer, axes, range(2, len(axes)))[2:]])


def _depthwise(tracer: Tracer, axis: Axis | None, rows: Axis | None) -> Axis | None:
    """A filter for each channel: it goes along."""
    tracer.equate(axis, rows, OUTSIDE)
    found = tracer.owner(rows)
    if found is None or rows is None:
        tracer.fix(rows, COMPUTED)
        return rows
    tracer.flow(axis, *found)
    return Axis(rows.ids, (Origin(*found[0], found[1]),))


def _grouped(tracer: Tracer, axis: Axis | None, own: Axes, groups: int, turned: bool) -> Axis | None:
    """Filters that read the channels of their own group: whole groups may go, or the same channels of each group.

    Args:
        axis: of the channels that come in.
        own: the weight's axes.
    """
    first, second = own[:2]
    if first is None or second is None or axis is None or tracer.owner(first) is None:
        for each in (first, second, axis):
            tracer.fix(each, COMPUTED if axis is not None else OUTSIDE)
        return first
    atoms = tracer.atoms
    number, rows = Axis(atoms.new(groups)), len(first.ids) // groups
    inner = second if not turned else Axis(atoms.new(rows))
    outer = second if turned else Axis(atoms.new(rows))
    atoms.product(axis.ids, [number.ids, inner.ids])
    atoms.product(first.ids, [number.ids, (inner if turned else outer).ids])
    result = Axis(atoms.merged([number.ids, outer.ids])) if turned else first
    tracer.made(first)
    columns = tracer.owner(inner)
    if columns is not None:
        tracer.roles.read.add(columns[0])
    return Axis(result.ids)


def batch_norm(tracer: Tracer, operation: Operation) -> None:
    """A norm over all dimensions but the second one, with numbers for each of its entries."""
    images = operation["input"]
    axes = tracer.axes(images)
    vectors = [operation.get(key) for key in ("weight", "bias", "running_mean", "running_var")]
    for vector in vectors:
        if vector is not None:
            tracer.equate(axes[1], tracer.axes(vector)[0], OUTSIDE)
    if tracer.is_plain(images):
        tracer.set_plain(operation.results[0])
    if tracer.is_plain(images) or operation.get("training", "training" not in operation.name):
        for k, axis in enumerate(axes):
            if k != 1:
                tracer.fix(axis, STANDARDISED if tracer.is_plain(images) else STATISTICS)
    tracer.set(operation.results[0], axes)


def layer_norm(tracer: Tracer, operation: Operation) -> None:
    """A norm over the last dimensions, with numbers for each of their entries."""
    axes = tracer.axes(operation["input"])
    for k in range(1, len(operation["normalized_shape"]) + 1):
        for key in ("weight", "bias"):
            vector = operation.get(key)
            if vector is not None:
                tracer.equate(axes[-k], tracer.axes(vector)[-k], OUTSIDE)
        tracer.fix(axes[-k], STATISTICS)
    tracer.set(operation.results[0], axes)


def group_norm(tracer: Tracer, operation: Operation) -> None:
    """A norm over groups of channels: whole groups may go."""
    axes, (channels, groups) = tracer.axes(operation["input"]), (operation["C"], operation["group"])
    number, inner = split(tracer.atoms, axes[1], [groups, int(channels) // groups])
    tracer.fix(inner, STATISTICS)
    if groups > 1 and number is None and inner is None:
        tracer.fix(axes[1], STATISTICS)
    for key in ("weight", "bias"):
        if operation[key] is not None:
            tracer.equate(axes[1], tracer.axes(operation[key])[0], OUTSIDE)
    tracer.set(operation.results[0], axes)


def statistic(tracer: Tracer, operation: Operation) -> None:
    """A sum, mean, norm or extreme over dimensions."""
    (tensor, *_), axes = operation.tensors, tracer.axes(operation.tensors[0])
    dims = operation.get("dim")
    dims = range(len(axes)) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    gone = {dim % len(axes) for dim in dims} if axes else set()
    for dim in gone:
        if tensor.shape[dim] > 1:
            tracer.fix(axes[dim], COMPUTED if tracer.is_plain(tensor) else STATISTICS)
    keeps = operation.get("keepdim", False)
    left = [None if k in gone else axis for k, axis in enumerate(axes) if keeps or k not in gone]
    for result in operation.results:
        tracer.set(result, left)
        if tracer.is_plain(tensor):
            tracer.set_plain(result)


def softmax(tracer: Tracer, operation: Operation) -> None:
    """Entries along one dimension depend on each other: it stays whole."""
    (tensor, *_), axes = operation.tensors, tracer.axes(operation.tensors[0])
    dim = operation["dim"] % len(axes)
    if tensor.shape[dim] > 1:
        tracer.fix(axes[dim], WEIGHED)
    pointwise(tracer, operation)


def attention(tracer: Tracer, operation: Operation) -> None:
    """Scaled dot products of queries [..., n, d] and keys [..., m, d] that weigh values [..., m, e]."""
    query, key, value = operation.tensors[:3]
    queries, keys, values = (tracer.axes(tensor) for tensor in (query, key, value))
    if not query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        unknown(tracer, operation)
        return
    for axis in (queries[-1], keys[-1], keys[-2], values[-2]):
        tracer.fix(axis, MEET)
    batch = [_same(tracer, _same(tracer, *pair[:2]), pair[2]) for pair in zip(queries, keys, values, strict=True)][:-2]
    sizes = query.shape[:-1]
    tracer.multiply([*batch, queries[-2], keys[-2], queries[-1]], [*sizes, key.shape[-2], query.shape[-1]])
    tracer.multiply([*batch, queries[-2], keys[-2], values[-1]], [*sizes, key.shape[-2], value.shape[-1]])
    mask = operation.get("attn_mask", operation.get("attn_bias"))
    for k in range(3, mask.dim() + 1) if mask is not None else ():
        if mask.shape[-k] == query.shape[-k]:
            tracer.equate(batch[2 - k], tracer.axes(mask)[-k], OUTSIDE)
    tracer.set(operation.results[0], [*batch, _bare(queries[-2]), _bare(values[-1])])


def sample(tracer: Tracer, operation: Operation) -> None:
    """Pixels of images [B, C, ...] at other places."""
    axes = tracer.axes(operation["input"])
    tracer.set(operation.results[0], [axes[0], axes[1], *[None] * (len(axes) - 2)])


_STATISTICS = ["mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "prod", "logsumexp",
               "linalg_vector_norm", "norm", "argmax", "argmin", "any", "all", "nansum", "aminmax"]  # fmt: skip

RULES: dict[str, Rule] = {
    **moves.RULES,
    **dict.fromkeys(["mm", "addmm", "bmm", "baddbmm"], product),
    **dict.fromkeys(_STATISTICS, statistic),
    **dict.fromkeys(["_softmax", "_safe_softmax", "_log_softmax", "softmax", "log_softmax"], softmax),
    **dict.fromkeys(["native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
                     "_native_batch_norm_legit_functional", "cudnn_batch_norm", "_batch_norm_with_update",
                     "_batch_norm_no_update"], batch_norm),
    **dict.fromkeys(["native_layer_norm", "_fused_rms_norm", "rms_norm"], layer_norm),
    **dict.fromkeys([f"_scaled_dot_product_{kind}" for kind in (
        "flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention", "attention_math",
        "fused_attention_overrideable")], attention),
    **dict.fromkeys(["grid_sampler_2d", "grid_sampler_3d"], sample),
    "convolution": convolution, "native_group_norm": group_norm,
}  # fmt: skip


def followed(tracer: Tracer, operation: Operation) -> None:
    """The rule for operations that no row names."""
    rule = pointwise if operation.is_pointwise and operation.results else unknown
    rule(tracer, operation)

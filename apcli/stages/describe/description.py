"""Describe a checkpoint: its lineage, and what is counted in its tensors."""

from collections.abc import Sequence

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import census
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Json
from apcli.checkpoints.reading import dense_ancestor
from apcli.checkpoints.sizes import counted, sizes, weights_of
from apcli.configs.describe import CostsConfig
from apcli.errors import ApcliError, UsageError
from apcli.models.named import NamedModel, without_code, without_name
from apcli.records.checkpoint import CheckpointRecord, DenseLatency, LatencyFacts, TensorFacts
from apcli.words import count, few, in_one_line

_DEFAULT = CostsConfig()


def describe(checkpoint: Checkpoint, config: CostsConfig = _DEFAULT) -> CheckpointRecord:
    """Describe the file's sizes, lineage and tensors, with the zeros counted now (not taken from the lineage).

    ``macs`` and ``latency`` are None, because they need the network; ``macs_reason`` says why it cannot be built.

    Raises:
        UsageError: an option needs the network, but the file does not say which one it is.
    """
    reason = _network_unknown(checkpoint, config.model) if config.wants_network else None
    if reason is not None and config.needs_network:
        raise UsageError(reason)
    tensors = _tensors(checkpoint)
    whole = sizes(counted(checkpoint, checkpoint.entries), weights_of(checkpoint))
    layers = [tensor for tensor in tensors if tensor.layer is not None]
    prunable = sum(layer.size for layer in layers)
    prunable_nonzero = sum(layer.nonzero or 0 for layer in layers)
    return CheckpointRecord(
        path=checkpoint.label,
        sha256=checkpoint.sha256,
        bytes=checkpoint.file_bytes,
        dense_bytes=_dense_bytes(checkpoint),
        numbers=sum(tensor.size for tensor in tensors),
        parameters=whole.parameters,
        kept=whole.kept,
        model_sparsity=whole.sparsity,
        model_density=None if whole.sparsity is None else whole.kept / whole.parameters,
        compression=whole.compression,
        prunable=prunable,
        prunable_nonzero=prunable_nonzero,
        sparsity=(prunable - prunable_nonzero) / prunable if prunable else None,
        density=prunable_nonzero / prunable if prunable else None,
        macs=None,
        macs_reason=reason,
        latency=None,
        lineage=checkpoint.lineage.to_json() if checkpoint.lineage.is_known else None,
        tensors=tensors,
    )


def lineage_of(record: CheckpointRecord) -> Lineage:
    """The lineage of a record's file; that of a file without one is empty."""
    return Lineage.from_json(record.lineage, record.path) if record.lineage else Lineage.EMPTY


def _network_unknown(checkpoint: Checkpoint, model: str | None) -> str | None:
    """The reason why lineage and ``--model`` do not suffice to build the checkpoint's network; None if they do."""
    known = checkpoint.lineage.model
    if checkpoint.lineage.stage == "trace":
        return f"{checkpoint.label} is a trace of another checkpoint's layers, and no network"
    if model is not None:
        return None
    if known is None:
        return without_name(checkpoint.label)
    if known.get("source") == "user":
        return without_code(checkpoint.label, known["name"])
    return None


def _tensors(checkpoint: Checkpoint) -> tuple[TensorFacts, ...]:
    promises = checkpoint.lineage.pruned
    known = census(checkpoint)
    layers = {layer.tensor: layer for layer in known.layers}
    layers |= {layer.tensor: layer for layer in known.on_request if layer.tensor in promises}
    reasons = {**known.left, **known.refused}
    facts = []
    for name, entry in checkpoint.entries.items():
        layer = layers.get(name)
        facts.append(
            TensorFacts(
                name=name,
                dtype=entry.dtype,
                shape=tuple(entry.shape),
                size=entry.size,
                layer=layer.name if layer else None,
                tied=tuple(layer.tied) if layer else (),
                left=None if layer else reasons.get(name),
                zeros=entry.zeros if entry.is_float else None,
                nonzero=entry.size - entry.zeros if entry.is_float else None,
                promised_zeros=promises[name].zeros if name in promises else None,
            )
        )
    return tuple(facts)


def _dense_bytes(checkpoint: Checkpoint) -> int | None:
    dense = checkpoint
    if checkpoint.lineage.dense is not None:
        try:
            dense = dense_ancestor(checkpoint)
        except ApcliError:
            return None
    return dense.file_bytes


def to_text(facts: CheckpointRecord) -> str:
    """The description for a person: facts, stages, metrics, costs, then a line per prunable layer."""
    others = [tensor for tensor in facts.tensors if tensor.layer is None]
    return "\n".join(
        [
            facts.path,
            *_fact_lines(facts),
            *_lineage_lines(facts),
            *_count_lines(facts),
            *_cost_lines(facts),
            "",
            *_layer_lines([tensor for tensor in facts.tensors if tensor.layer is not None]),
            f"  and {count(len(others), 'tensor')} not prunable, {sum(t.size for t in others):,} numbers",
            *_left_lines(others),
        ]
    )


def _fact_lines(facts: CheckpointRecord) -> list[str]:
    size, dense = facts.bytes, facts.dense_bytes
    beside = "the dense file is not at hand" if dense is None else f"dense: {dense:,}"
    return [
        f"  size         {size:,} bytes ({beside}), {len(facts.tensors)} tensors, {facts.numbers:,} numbers",
        f"  sha256       {facts.sha256}",
    ]


def _count_lines(facts: CheckpointRecord) -> list[str]:
    lines = []
    for title, size, left, word, sparsity, density in (
        ("parameters", facts.parameters, facts.kept, "kept", facts.model_sparsity, facts.model_density),
        ("prunable", facts.prunable, facts.prunable_nonzero, "nonzero", facts.sparsity, facts.density),
    ):
        if size:
            shares = f"sparsity {sparsity:.6g}, density {density:.6g}"
            lines.append(f"  {title:12} {size:,}, {left:,} {word}: {shares}")
    if facts.compression is not None:
        compact = lineage_of(facts).kept
        form = (
            "compact: removed channels are not in the file" if compact else "the file is dense: zeros take their place"
        )
        lines[0] += f", compression {facts.compression:.4g}x ({form})"
    return lines


def _cost_lines(facts: CheckpointRecord) -> list[str]:
    macs, latency = facts.macs, facts.latency
    lines = []
    if facts.macs_reason is not None:
        lines.append(f"  MACs         not counted: {facts.macs_reason}")
    if macs is not None:
        size = "x".join(map(str, macs.input_size))
        speedup = "-" if macs.theoretical_speedup is None else f"{macs.theoretical_speedup:.4g}x"
        counts = f"{macs.dense:,} dense, {macs.nonzero:,} nonzero"
        if macs.dense_file != macs.dense:
            counts += f", {macs.dense_file:,} of the dense file"
        lines.append(f"  MACs         {counts}, for one image of {size}: speed-up {speedup} in theory")
        if macs.without_weights:
            lines.append(f"               {macs.without_weights:,} of them in products without a layer's weights")
    if latency is not None:
        threads = latency.threads
        device = latency.device_name or f"{latency.device} ({threads} thread{'s' * (threads != 1)})"
        setting = f"batch {latency.batch_size}, {device}, {latency.dtype}"
        lines.append(f"  latency      {_times(latency)}; {latency.runs} runs, {setting}")
        if latency.dense is not None:
            times, path = _times(latency.dense), latency.dense.path
            lines.append(f"  of dense     {times}: speed-up {latency.speedup:.4g}x measured ({path})")
        lines.append(f"               {latency.note}")
    return lines


def _times(latency: LatencyFacts | DenseLatency) -> str:
    median, low, high = (1000 * time for time in (latency.median, latency.low, latency.high))
    return f"{median:.4g} ms median, quartiles {low:.4g} to {high:.4g} ms"


def _layer_lines(layers: Sequence[TensorFacts]) -> list[str]:
    """A table of the layers, with MACs if they are known."""
    rows = [["layer", "dtype", "shape", "weights", "zeros", "nonzero", "sparsity", "MACs", "nonzero MACs"]]
    for layer in layers:
        numbers = (layer.size, layer.zeros, layer.nonzero, layer.macs, layer.nonzero_macs)
        size, zeros, nonzero, *macs = ("-" if number is None else f"{number:,}" for number in numbers)
        sparsity = f"{(layer.zeros or 0) / max(1, layer.size):.4f}"
        shape = "x".join(map(str, layer.shape))
        rows.append([in_one_line(layer.layer or "-"), layer.dtype, shape, size, zeros, nonzero, sparsity, *macs])
    if all(layer.macs is None for layer in layers):
        rows = [row[:-2] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            f"{cell:{'<' if i < 2 else '>'}{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells))
    return lines


def _left_lines(others: Sequence[TensorFacts]) -> list[str]:
    """The tensors of two or more dimensions that are no layers, by the reason."""
    reasons: dict[str, list[str]] = {}
    for tensor in others:
        if tensor.left is not None:
            reasons.setdefault(tensor.left, []).append(tensor.name)
    return [f"    {reason} ({len(names)}): {in_one_line(few(names))}" for reason, names in reasons.items()]


def _lineage_lines(facts: CheckpointRecord) -> list[str]:
    lineage = lineage_of(facts)
    if not lineage.is_known:
        return ["  lineage      none: a file that another program made"]
    lines = [] if lineage.model is None else _model_lines(lineage.model, lineage.classes)
    if lineage.data:
        lines.append(f"  data         {_data_in_words(lineage.data)}, seed {lineage.seed}")
    for settings in lineage.settings:
        shown = ("epochs", "sparsity")  # even if they are 0; other settings are left out if they are off
        listed = [f"{key} {value}" for key, value in settings.options.items() if value or key in shown]
        lines.append(f"  {settings.stage or '?':12} {', '.join(listed)}")
    for split, scores in lineage.metrics.items():
        if scores:
            lines.append(f"  {split + ' split':12} accuracy {scores['accuracy']:.2f} %, loss {scores['loss']:.5f} nats")
    for name, link in (("parent", lineage.parent), ("dense", lineage.dense)):
        if link:
            lines.append(f"  {name:12} {link.path or 'unnamed'} (sha256 {link.sha256[:12]}...)")
    return lines


def _model_lines(model: Json, classes: Sequence[str]) -> list[str]:
    origin = f"{model.get('name')} ({model.get('source')})"
    if NamedModel.from_json(model) is not None:
        given = [f"{key} {value}" for key, value in model["given"].items()]
        return [f"  model        {', '.join([origin, *given])}, as --model said"]
    size = "x".join(map(str, model.get("input_size", [])))
    of = f" ({few(classes)})" if classes else ""
    mean, std = (", ".join(map(str, model.get(key, []))) for key in ("mean", "std"))
    return [
        f"  model        {origin}, {model.get('num_classes')} classes{of}, input {size}",
        f"  normalised   by mean {mean} and std {std}, of pixels in [0, 1]",
    ]


def _data_in_words(data: Json) -> str:
    part = f", {data['part']:,} of its training images" if data.get("part") else ""
    return f"{data['name']}{part}"

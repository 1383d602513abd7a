"""The description of a checkpoint as text for a person."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from apcli.checkpoints.promises import Json, SplitMetrics
from apcli.cli.layout.tables import Column, Grid, lines_of
from apcli.cli.layout.text import fact_lines, wrapped
from apcli.models.named import NamedModel
from apcli.records.checkpoint import CheckpointRecord, DenseLatency, LatencyFacts, TensorFacts
from apcli.words import by, count, few, in_one_line

_NAMES = 13  # columns of what a fact is about
_INDENT = 2
_COLUMNS = (
    Column("layer", "name"),
    Column("dtype", "word", rank=6),
    Column("shape", rank=5),
    Column("weights"),
    Column("zeros", rank=4),
    Column("nonzero", rank=1),
    Column("sparsity"),
    Column("MACs", rank=3),
    Column("nonzero MACs", rank=2),
)

_Facts = Iterator[tuple[str, str]]  # what each is about, and what is said; a name that is empty is the one before


def to_text(facts: CheckpointRecord, width: int | None = None) -> str:
    """The description: facts, stages, metrics, costs, then a row for each prunable layer.

    Args:
        width: columns of the terminal; None: lines as long as they need to be.
    """
    facts_said = chain.from_iterable(part(facts) for part in (_size, _lineage, _counts, _costs))
    said = [(in_one_line(about), in_one_line(text)) for about, text in facts_said]
    grid = _layers(facts.tensors, compact=bool(facts.made.kept))
    table = lines_of(grid, None if width is None else width - _INDENT)
    return "\n".join(
        [
            *wrapped(in_one_line(facts.path), width, _INDENT),
            *fact_lines(said, _NAMES, width, _INDENT),
            "",
            *(f"{' ' * _INDENT}{line}".rstrip() for line in table),
        ]
    )


def _size(facts: CheckpointRecord) -> _Facts:
    size, dense = facts.bytes, facts.dense_bytes
    beside = "the dense file is not at hand" if dense is None else f"dense: {dense:,}"
    yield "size", f"{size:,} bytes ({beside}), {len(facts.tensors)} tensors, {facts.numbers:,} numbers"
    yield "sha256", facts.sha256


def _counts(facts: CheckpointRecord) -> _Facts:
    form = "" if facts.compression is None else f", compression {facts.compression:.4g}x"
    if facts.made.kept:
        dense = facts.dense_parameters
        beside = "the dense file is not at hand" if dense is None else f"the dense file has {dense:,}"
        form += f" (compact: removed channels are not in the file; {beside})"
        if (difference := facts.made.norm_difference) is not None:
            form += f"; norms over fewer channels: its logits differ by up to {difference:.3g} of the largest"
    elif form:
        form += " (the file is dense: zeros take their place)"
    for about, size, left, word, sparsity, density, more in (
        ("parameters", facts.parameters, facts.kept, "kept", facts.model_sparsity, facts.model_density, form),
        ("prunable", facts.prunable, facts.prunable_nonzero, "nonzero", facts.sparsity, facts.density, ""),
    ):
        if size:
            yield about, f"{size:,}, {left:,} {word}: sparsity {sparsity:.6g}, density {density:.6g}{more}"


def _costs(facts: CheckpointRecord) -> _Facts:
    macs, latency = facts.macs, facts.latency
    if facts.macs_reason is not None:
        yield "MACs", f"not counted: {facts.macs_reason}"
    if macs is not None:
        size = by(macs.input_size)
        speedup = "-" if macs.theoretical_speedup is None else f"{macs.theoretical_speedup:.4g}x"
        counts = f"{macs.dense:,} dense, {macs.nonzero:,} nonzero"
        if macs.dense_file != macs.dense:
            counts += f", {macs.dense_file:,} of the dense file"
        yield "MACs", f"{counts}, for one image of {size}: speed-up {speedup} in theory"
        if macs.without_weights:
            yield "", f"{macs.without_weights:,} of them in products without a layer's weights"
    if latency is not None:
        threads = latency.threads
        device = latency.device_name or f"{latency.device} ({threads} thread{'s' * (threads != 1)})"
        setting = f"batch {latency.batch_size}, {device}, {latency.dtype}"
        yield "latency", f"{_times(latency)}; {latency.runs} runs, {setting}"
        if latency.dense is not None:
            times, path = _times(latency.dense), latency.dense.path
            yield "of dense", f"{times}: speed-up {latency.speedup:.4g}x measured ({path})"
        yield "", latency.note


def _times(latency: LatencyFacts | DenseLatency) -> str:
    median, low, high = (1000 * time for time in (latency.median, latency.low, latency.high))
    return f"{median:.4g} ms median, quartiles {low:.4g} to {high:.4g} ms"


def _lineage(facts: CheckpointRecord) -> _Facts:
    lineage = facts.made
    if not lineage.is_known:
        yield "lineage", "none: a file that another program made"
        return
    if lineage.model is not None:
        yield from _model(lineage.model, lineage.classes)
    if lineage.data:
        yield "data", f"{_data_in_words(lineage.data)}, seed {lineage.seed}"
    for settings in lineage.settings:
        shown = ("epochs", "sparsity")  # even if they are 0; other settings are left out if they are off
        listed = [f"{key} {value}" for key, value in settings.options.items() if value or key in shown]
        yield settings.stage or "?", ", ".join(listed)
    for split, scores in lineage.metrics.items():
        if scores:
            words = (_known(scores, "accuracy", ".2f", "%"), _known(scores, "loss", ".5f", "nats"))
            yield f"{split} split", ", ".join(words)
    for name, link in (("parent", lineage.parent), ("dense", lineage.dense)):
        if link:
            yield name, f"{link.path or 'unnamed'} (sha256 {link.sha256[:12]}...)"


def _model(model: Json, classes: Sequence[str]) -> _Facts:
    origin = f"{model.get('name')} ({model.get('source')})"
    if NamedModel.from_json(model) is not None:
        given = [f"{key} {value}" for key, value in model["given"].items()]
        yield "model", f"{', '.join([origin, *given])}, as --model said"
        return
    size = _listed(model.get("input_size", []), "x")
    of = f" ({few(classes)})" if classes else ""
    yield "model", f"{origin}, {model.get('num_classes')} classes{of}, input {size}"
    mean, std = (_listed(model.get(key, []), ", ") for key in ("mean", "std"))
    yield "normalised", f"by mean {mean} and std {std}, of pixels in [0, 1]"


def _known(scores: SplitMetrics, name: str, form: str, unit: str) -> str:
    value = scores[name]
    return f"{name} not known" if value is None else f"{name} {value:{form}} {unit}"


def _listed(value: object, between: str) -> str:
    """The members of a list of a lineage, which anyone may have made: another value as it is."""
    return between.join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _data_in_words(data: Json) -> str:
    part = f", {data['part']:,} of its training images" if data.get("part") else ""
    turned = ", turned by their EXIF orientation" if data.get("exif_orientation") else ""
    return f"{data['name']}{part}{turned}"


def _layers(tensors: Sequence[TensorFacts], compact: bool) -> Grid:
    """The layers, with MACs if they are known; below them, how many tensors are none, and why.

    The shapes of a ``compact`` file say what went, as its zeros do not: they are the last optional column to go.
    """
    layers = [tensor for tensor in tensors if tensor.layer is not None]
    others = [tensor for tensor in tensors if tensor.layer is None]
    rows = []
    for layer in layers:
        numbers = (layer.size, layer.zeros, layer.nonzero, layer.macs, layer.nonzero_macs)
        size, zeros, nonzero, *macs = ("-" if number is None else f"{number:,}" for number in numbers)
        sparsity = f"{(layer.zeros or 0) / max(1, layer.size):.4f}"
        shape = by(layer.shape)
        rows.append([in_one_line(layer.layer or "-"), layer.dtype, shape, size, zeros, nonzero, sparsity, *macs])
    known = len(_COLUMNS) if any(layer.macs is not None for layer in layers) else -2
    notes = [f"and {count(len(others), 'tensor')} not prunable, {sum(t.size for t in others):,} numbers"]
    columns = [replace(c, rank=1) if compact and c.title == "shape" else c for c in _COLUMNS[:known]]
    return Grid(columns, [row[:known] for row in rows], caption="\n".join([*notes, *_left(others)]))


def _left(others: Sequence[TensorFacts]) -> list[str]:
    """The tensors of two or more dimensions that are no layers, by the reason."""
    reasons: dict[str, list[str]] = {}
    for tensor in others:
        if tensor.left is not None:
            reasons.setdefault(tensor.left, []).append(tensor.name)
    return [f"  {reason} ({len(names)}): {in_one_line(few(names))}" for reason, names in reasons.items()]

"""Describe a checkpoint: its lineage, and what is counted in its tensors."""

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import census
from apcli.checkpoints.reading import dense_ancestor
from apcli.checkpoints.sizes import Sizes, counted, sizes, weights_of
from apcli.configs.describe import CostsConfig
from apcli.errors import ApcliError, UsageError
from apcli.models.named import without_code, without_name
from apcli.records.checkpoint import CheckpointRecord, TensorFacts

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
    dense = _dense(checkpoint)
    dense_parameters = _dense_parameters(checkpoint, whole, dense)
    layers = [tensor for tensor in tensors if tensor.layer is not None]
    prunable = sum(layer.size for layer in layers)
    prunable_nonzero = sum(layer.nonzero or 0 for layer in layers)
    return CheckpointRecord(
        path=checkpoint.label,
        sha256=checkpoint.sha256,
        bytes=checkpoint.file_bytes,
        dense_bytes=None if dense is None else dense.file_bytes,
        numbers=sum(tensor.size for tensor in tensors),
        parameters=whole.parameters,
        dense_parameters=dense_parameters,
        kept=whole.kept,
        model_sparsity=whole.sparsity,
        model_density=None if whole.sparsity is None else whole.kept / whole.parameters,
        compression=dense_parameters / whole.kept if dense_parameters is not None and whole.kept else None,
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


def _dense(checkpoint: Checkpoint) -> Checkpoint | None:
    """The file that the checkpoint came from, itself if it came from none; None: not at hand."""
    if checkpoint.lineage.dense is None:
        return checkpoint
    try:
        return dense_ancestor(checkpoint)
    except ApcliError:
        return None


def _dense_parameters(checkpoint: Checkpoint, own: Sizes, dense: Checkpoint | None) -> int | None:
    """The number of the dense model's parameters; zeros remove none, so only a compact file has fewer."""
    if not checkpoint.lineage.kept:
        return own.parameters
    return None if dense is None else sizes(counted(dense, dense.entries), ()).parameters

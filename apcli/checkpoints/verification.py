"""Hold a checkpoint to its lineage: the zeros that it promises are counted."""

import logging

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.reading import dense_ancestor
from apcli.errors import UsageError, VerificationError

log = logging.getLogger("apcli")


def verify_zeros(checkpoint: Checkpoint) -> None:
    """Check that every pruned layer has the zeros that the lineage promises.

    Raises:
        VerificationError: a layer has fewer.
    """
    known = checkpoint.network_layers
    weights = {} if known is None else known.by_name
    for promised, promise in checkpoint.lineage.pruned.items():
        names = weights[promised].names if promised in weights else (promised,)
        for tensor in (promised, *(name for name in names if name != promised and name in checkpoint.entries)):
            entry = checkpoint.entries.get(tensor)
            zeros = entry.zeros if entry is not None and entry.is_float else 0
            if zeros < promise.zeros:
                raise VerificationError(
                    f"{checkpoint.label}: {tensor} has {zeros} zeros but its lineage promises "
                    f"{promise.zeros}: the sparsity was lost, prune again"
                )


def broken_promises(checkpoint: Checkpoint) -> list[str]:
    """What a checkpoint is not that its lineage promises, a sentence each: its zeros, and the dense file it names."""
    sentences = []
    for check in (verify_zeros, _verify_dense):
        try:
            check(checkpoint)
        except VerificationError as error:
            sentences.append(str(error))
    return sentences


def _verify_dense(checkpoint: Checkpoint) -> None:
    """Check the dense file by its SHA-256, where it is at hand."""
    if checkpoint.lineage.dense is None:
        return
    try:
        dense_ancestor(checkpoint)
    except UsageError as error:
        log.warning("%s; it is not checked", str(error).rpartition(": ")[0])


def check_input(checkpoint: Checkpoint) -> None:
    """Refuse a file that is not the checkpoint its lineage describes, before a stage starts on it.

    Raises:
        UsageError: the file is the trace of another checkpoint.
        VerificationError: a pruned layer has fewer zeros than promised.
    """
    if checkpoint.lineage.stage == "trace":
        raise UsageError(f"{checkpoint.label} is a trace of another checkpoint's layers: give the checkpoint itself")
    verify_zeros(checkpoint)

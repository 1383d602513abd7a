"""Traces: the weights of fine-tuned layers after each epoch, in a safetensors file beside the checkpoint.

``X.trace.safetensors`` belongs to ``X.safetensors``; the tensor ``fc.weight@3`` is ``fc.weight`` after epoch 3, and
epoch 0 is the pruned network before any fine-tuning.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from apcli.checkpoints import reading
from apcli.checkpoints.checkpoint import SUFFIX, Checkpoint
from apcli.errors import VerificationError

TRACE_SUFFIX = ".trace.safetensors"


def path_beside(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(SUFFIX) + TRACE_SUFFIX)


def tensor_name(tensor: str, epoch: int) -> str:
    return f"{tensor}@{epoch}"


def of(checkpoint: Checkpoint) -> Checkpoint | None:
    """The trace beside a fine-tuned checkpoint, or None.

    Raises:
        VerificationError: there is a trace of another run.
    """
    if checkpoint.nameless or checkpoint.lineage.stage != "finetune":
        return None
    path = path_beside(checkpoint.path)
    if not os.path.isfile(path):
        return None
    trace = reading.read(path)
    if not trace.lineage.made_as(checkpoint.lineage.of_trace()):
        raise VerificationError(
            f"{path} is not the trace of {checkpoint.label} (their lineages differ): fine-tune again, or remove it"
        )
    return trace


def epochs(trace: Checkpoint, tensors: Iterable[str]) -> dict[int, list[str]]:
    """The traced epochs in order, each with those of ``tensors`` that the trace holds, in the order given."""
    tensors = list(tensors)
    numbers = {int(epoch) for _, _, epoch in (name.rpartition("@") for name in trace.entries) if epoch.isdecimal()}
    return {e: [tensor for tensor in tensors if tensor_name(tensor, e) in trace.entries] for e in sorted(numbers)}

"""The weights of a pruned file: as they stand, and at each epoch of its trace."""

from collections.abc import Mapping, Sequence

from apcli.checkpoints import traces
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.errors import VerificationError
from apcli.words import by


def epochs_of(pruned: Checkpoint, layers: Sequence[Layer]) -> list[tuple[int | None, Mapping[str, Entry]]]:
    """The file's weights (epoch None), then those of each epoch in its trace.

    Raises:
        VerificationError: a traced tensor has another type or shape than its layer.
        ApcliError: a traced weight is NaN or Inf.
    """
    file = {layer.tensor: pruned.entries[layer.tensor] for layer in layers}
    steps: list[tuple[int | None, Mapping[str, Entry]]] = [(None, file)]
    trace = traces.of(pruned)
    if trace is not None:
        shapes = {tensor: entry.shape for tensor, entry in file.items()}
        trace.check_finite()
        for epoch, names in traces.epochs(trace, shapes).items():
            weights = {name: trace.entries[traces.tensor_name(name, epoch)] for name in names}
            for name, entry in weights.items():
                if entry.shape != shapes[name] or not entry.is_float:
                    what = f"{traces.tensor_name(name, epoch)} as {entry.dtype} {by(entry.shape)}"
                    wanted = f"expected floats, {by(shapes[name])}: fine-tune again, or remove it"
                    raise VerificationError(f"{trace.label} holds {what}: {wanted}")
            if weights:
                steps.append((epoch, weights))
    return steps

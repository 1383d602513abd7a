"""The part that records of a pair of files share: which files they are, and how the pruned one was pruned."""

from dataclasses import dataclass
from typing import Annotated

from apcli.records.json_objects import JsonObject, Record


@dataclass(frozen=True)
class File(JsonObject):
    """A checkpoint."""

    path: Annotated[str | None, "as the command was given it"] = None
    sha256: Annotated[str | None, "of its bytes"] = None

    @property
    def identity(self) -> str:
        """What tells the file from others: its bytes, or where these are not known its path; empty for no file."""
        return self.sha256 or self.path or ""


@dataclass(frozen=True)
class LayerSparsity(JsonObject):
    """The share of weights set to zero, in [0, 1)."""

    requested: Annotated[float | None, "as asked for; null where layers differ"] = None
    actual: Annotated[float | None, "zeros counted in the file, over all weights"] = None


@dataclass(frozen=True, kw_only=True)
class PairRecord(Record):
    """A record of a dense file and a pruned one. A number that is not known is None."""

    model: Annotated[str | None, "name of the network"] = None
    data: Annotated[str | None, "name of the data set that it was trained on"] = None
    seed: Annotated[int | None, "of the fine-tuning; otherwise of the training"] = None
    dense: Annotated[File, "the dense file"] = File()
    pruned: Annotated[File, "the pruned file"] = File()
    method: Annotated[str | None, "pruning method"] = None
    scope: Annotated[str | None, "over what weights were ranked"] = None
    mask_seed: Annotated[int | None, "of a random mask"] = None
    sparsity: Annotated[LayerSparsity, "share of the compared weights that is zero"] = LayerSparsity()

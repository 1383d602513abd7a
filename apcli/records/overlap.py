"""The overlap record: how far two pruned files keep the same weights, beside what chance gives."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from apcli.records.json_objects import JsonObject, Record


@dataclass(frozen=True)
class PrunedFile(JsonObject):
    """One of the two files."""

    path: Annotated[str | None, "as the command was given it"]
    sha256: Annotated[str | None, "of its bytes"]
    dense_sha256: Annotated[str | None, "of the dense file"]
    method: Annotated[str | None, "pruning method"]
    scope: Annotated[str | None, "over what weights were ranked"]
    seed: Annotated[int | None, "of the fine-tuning; otherwise of the training"]
    mask_seed: Annotated[int | None, "of a random mask"]


@dataclass(frozen=True)
class LayerOverlap(JsonObject):
    """The kept weights of one layer."""

    layer: Annotated[str, "name of the layer"]
    weights: Annotated[int, "all of them"]
    first: Annotated[int, "kept by the first file"]
    second: Annotated[int, "kept by the second file"]
    both: Annotated[int, "kept by both"]
    jaccard: Annotated[float | None, "kept by both / kept by either; null: none is kept"]
    chance: Annotated[float | None, "what random masks of as many weights have, on average"]


@dataclass(frozen=True, kw_only=True)
class OverlapRecord(Record):
    """Two pruned files of one network and sparsity, which differ in the method or in a seed."""

    kind: ClassVar[str] = "overlap"
    version: ClassVar[int] = 1

    model: Annotated[str | None, "name of the network"]
    data: Annotated[str | None, "name of the data set that it was trained on"]
    sparsity: Annotated[float | None, "of both, as asked for"]
    between: Annotated[str, "`methods` on one dense network, or `seeds` of one method"]
    first: Annotated[PrunedFile, "one file"]
    second: Annotated[PrunedFile, "the other file"]
    jaccard: Annotated[float | None, "weights kept by both / kept by either; null: none is kept"]
    chance: Annotated[float | None, "what random masks of as many weights in each layer have, on average"]
    layers: Annotated[tuple[LayerOverlap, ...], "each layer"]

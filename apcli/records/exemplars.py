"""The exemplars record: images that dense networks get right and most pruned ones of a sparsity get wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from apcli.records.json_objects import JsonObject, Record


@dataclass(frozen=True)
class Exemplar(JsonObject):
    """One image."""

    image: Annotated[int, "its number among the evaluated images, from 0"]
    label: Annotated[int, "number of its class"]
    name: Annotated[str | None, "of its class; null: not known"]
    wrong: Annotated[int, "pruned networks that get it wrong"]
    predicted: Annotated[int, "class that most of these predict"]
    predicted_name: Annotated[str | None, "of that class"]
    rise: Annotated[float, "of its loss over the dense network’s, mean over the pruned networks, nats"]
    thumbnail: Annotated[str, "PNG in base64, at most 64 pixels a side"]


@dataclass(frozen=True, kw_only=True)
class ExemplarsRecord(Record):
    """The images that pruning costs, over all pruned networks of a sparsity."""

    kind: ClassVar[str] = "exemplars"
    version: ClassVar[int] = 1

    model: Annotated[str | None, "name of the network"]
    data: Annotated[str | None, "name of the data set that it was trained on"]
    evaluated: Annotated[Mapping[str, Any], "data, split and number of images"]
    sparsity: Annotated[float | None, "of the pruned networks, as asked for; null: not known"]
    methods: Annotated[tuple[str, ...], "pruning methods"]
    dense: Annotated[int, "number of dense networks"]
    networks: Annotated[int, "number of pruned networks"]
    left_out: Annotated[int, "other pruned networks, no better than naming one class always"]
    right: Annotated[int, "images that most dense networks get right"]
    found: Annotated[int, "of these, images that most of the pruned networks get wrong"]
    expected: Annotated[float, "how many there would be if the pruned networks erred independently of each other"]
    exemplars: Annotated[tuple[Exemplar, ...], "24 of them at most: those that most get wrong, then the largest rise"]

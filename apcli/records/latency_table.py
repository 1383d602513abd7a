"""The table of a network's layers and their times, by which ``prune --budget latency`` counts."""

from dataclasses import dataclass
from typing import Annotated

from apcli.records.json_objects import JsonObject


@dataclass(frozen=True)
class LayerLatency(JsonObject):
    """The time of one layer alone, at some widths."""

    tensor: Annotated[str, "the layer's weight"]
    shape: Annotated[tuple[int, ...], "of the weight"]
    rows: Annotated[tuple[int, ...], "of the weight, by measurement"]
    columns: Annotated[tuple[int, ...], "of the weight, by measurement"]
    seconds: Annotated[tuple[float, ...], "median of the runs, of all calls of the layer in a forward pass"]


@dataclass(frozen=True)
class LatencyTable(JsonObject):
    """The times of a network and of its layers on one device."""

    kind: Annotated[str, "`latency-table`"]
    version: Annotated[int, "of this format"]
    model: Annotated[str | None, "name of the network"]
    input_size: Annotated[tuple[int, ...], "channels, height and width of an image"]
    batch_size: Annotated[int, "images at a time"]
    device: Annotated[str, "as PyTorch names it"]
    device_name: Annotated[str | None, "of a GPU"]
    threads: Annotated[int, "of PyTorch on the CPU"]
    runs: Annotated[int, "timed runs"]
    warmup: Annotated[int, "runs before them"]
    seconds: Annotated[float, "of the whole network, median of the runs"]
    layers: Annotated[tuple[LayerLatency, ...], "each alone"]


KIND, VERSION = "latency-table", 1

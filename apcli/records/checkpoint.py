"""The checkpoint record: what a file is, what it costs, and how it was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

from apcli.checkpoints.lineage import Lineage
from apcli.records.json_objects import JsonObject, Record


@dataclass(frozen=True)
class TensorFacts(JsonObject):
    """One tensor of the file."""

    name: Annotated[str, "of the tensor"]
    dtype: Annotated[str, "as safetensors names it"]
    shape: Annotated[tuple[int, ...], "its extents"]
    size: Annotated[int, "number of elements"]
    layer: Annotated[str | None, "the layer whose prunable weight this is; null: no prunable weight"] = None
    tied: Annotated[tuple[str, ...], "other names of the same weight"] = ()
    left: Annotated[str | None, "why a tensor of two or more dimensions is no layer's weight"] = None
    zeros: Annotated[int | None, "elements that are zero, counted now; null for whole numbers"] = None
    nonzero: Annotated[int | None, "the other elements"] = None
    promised_zeros: Annotated[int | None, "zeros that the lineage promises"] = None
    macs: Annotated[int | None, "multiply-adds with this weight for one image"] = None
    nonzero_macs: Annotated[int | None, "multiply-adds with its nonzero elements"] = None


@dataclass(frozen=True)
class MacsFacts(JsonObject):
    """The multiply-adds of the network for one image."""

    input_size: Annotated[tuple[int, ...], "channels, height and width of the image"]
    dense: Annotated[int, "all of them, whether or not weights are zero"]
    nonzero: Annotated[int, "those with nonzero weights, and `without_weights`"]
    without_weights: Annotated[int, "those of products without a weight of the file"]
    dense_file: Annotated[int, "all of the dense file's network"]
    theoretical_speedup: Annotated[float | None, "`dense_file` / `nonzero`"] = None


@dataclass(frozen=True)
class DenseLatency(JsonObject):
    """The time of the dense file's network."""

    path: Annotated[str, "of the dense file"]
    median: Annotated[float, "seconds for a batch"]
    low: Annotated[float, "lower quartile"]
    high: Annotated[float, "upper quartile"]


@dataclass(frozen=True)
class LatencyFacts(JsonObject):
    """The time of the network, and how it was measured."""

    median: Annotated[float, "seconds for a batch"]
    low: Annotated[float, "lower quartile"]
    high: Annotated[float, "upper quartile"]
    runs: Annotated[int, "timed runs"]
    warmup: Annotated[int, "runs before them"]
    batch_size: Annotated[int, "images at a time"]
    input_size: Annotated[tuple[int, ...], "channels, height and width of an image"]
    device: Annotated[str, "as PyTorch names it"]
    device_name: Annotated[str | None, "of a GPU"]
    threads: Annotated[int, "of PyTorch on the CPU"]
    dtype: Annotated[str, "of the computation"]
    dense: Annotated[DenseLatency | None, "the same of the dense file's network"]
    speedup: Annotated[float | None, "the dense file's median / this one's"]
    note: Annotated[str, "what the times do not show"]


@dataclass(frozen=True)
class CheckpointRecord(Record):
    """A checkpoint: its sizes and costs, its lineage and its tensors. A number that is not known is None."""

    kind: ClassVar[str] = "checkpoint"
    version: ClassVar[int] = 1

    path: Annotated[str, "as the command was given it"]
    sha256: Annotated[str, "of the file's bytes"]
    bytes: Annotated[int, "size of the file"]
    dense_bytes: Annotated[int | None, "size of the dense file, its own if it came from none; null: it is missing"]
    numbers: Annotated[int, "elements of all tensors"]
    parameters: Annotated[int, "of the model, without buffers"]
    dense_parameters: Annotated[int | None, "of the dense file's model; null: that of a compact file is missing"]
    kept: Annotated[int, "parameters that were not removed"]
    model_sparsity: Annotated[float | None, "removed share of the parameters"]
    model_density: Annotated[float | None, "kept share of the parameters"]
    compression: Annotated[float | None, "`dense_parameters` / `kept`"]
    prunable: Annotated[int, "weights of layers"]
    prunable_nonzero: Annotated[int, "those that are not zero"]
    sparsity: Annotated[float | None, "share of `prunable` that is zero"]
    density: Annotated[float | None, "share of `prunable` that is not zero"]
    macs: Annotated[MacsFacts | None, "multiply-adds; null: not counted"]
    macs_reason: Annotated[str | None, "why the network cannot be built"]
    latency: Annotated[LatencyFacts | None, "time of a forward pass; null: not measured"]
    lineage: Annotated[Mapping[str, Any] | None, "how the file was made, as its header says; see checkpoint-format.md"]
    tensors: Annotated[tuple[TensorFacts, ...], "the file's tensors"]

    @cached_property
    def made(self) -> Lineage:
        """The lineage, read; that of a file without one is empty.

        Raises:
            ApcliError: this apcli cannot read it.
        """
        return Lineage.from_json(self.lineage, self.path) if self.lineage else Lineage.EMPTY

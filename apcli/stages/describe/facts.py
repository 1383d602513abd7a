"""The description of a checkpoint and of each of its tensors, as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from apcli.checkpoints.lineage import Lineage


@dataclass(frozen=True)
class TensorFacts:
    """One tensor of the file.

    Attributes:
        size: the number of elements.
        layer: the layer whose prunable weight this is; None: not a prunable weight.
        tied: the other names of the same weight.
        left: the reason why a tensor of two or more dimensions is no layer's weight.
        zeros: elements that are zero, counted now; None for tensors of whole numbers.
        nonzero: the other elements.
        promised_zeros: the zeros that the lineage promises; None: it promises none.
        macs: multiply-adds with this weight for one image; None: not known.
        nonzero_macs: multiply-adds with its nonzero elements.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    layer: str | None
    tied: tuple[str, ...]
    left: str | None
    zeros: int | None
    nonzero: int | None
    promised_zeros: int | None = None
    macs: int | None = None
    nonzero_macs: int | None = None


@dataclass(frozen=True)
class MacsFacts:
    """The multiply-adds of the network for one image.

    Attributes:
        input_size: [C, H, W] of the image.
        dense: all multiply-adds, whether or not weights are zero.
        nonzero: those with nonzero weights, plus ``without_weights``.
        without_weights: those of products without a weight of the file.
        dense_file: all multiply-adds of the dense file's network.
        theoretical_speedup: ``dense_file`` / ``nonzero``; None if ``nonzero`` is 0.
    """

    input_size: tuple[int, ...]
    dense: int
    nonzero: int
    without_weights: int
    dense_file: int
    theoretical_speedup: float | None


@dataclass(frozen=True)
class DenseLatency:
    """The time of the dense file's network, in seconds for a batch: the median and the quartiles."""

    path: str
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class LatencyFacts:
    """The time of the network, in seconds for a batch: the median and the quartiles, and how they were measured.

    Attributes:
        device_name: the GPU's name; None for a CPU.
        dense: the time of the dense file's network; None: the file is missing.
        speedup: the dense file's median divided by this one's.
        note: what the times do not show.
    """

    median: float
    low: float
    high: float
    runs: int
    warmup: int
    batch_size: int
    input_size: tuple[int, ...]
    device: str
    device_name: str | None
    threads: int
    dtype: str
    dense: DenseLatency | None
    speedup: float | None
    note: str


@dataclass(frozen=True)
class Description:
    """The description of a checkpoint.

    Attributes:
        bytes: the size of the file.
        dense_bytes: the size of the dense file that this one came from, or its own if it came from none; None: the
            dense file is missing.
        numbers: the elements of all tensors.
        parameters: the model's parameters, as ``checkpoints.sizes`` counts them, like the next four.
        kept: parameters that were not removed.
        compression: ``parameters`` / ``kept``; None if none is kept.
        prunable: the number of layers' weights, from which ``sparsity`` and ``density`` are computed.
        macs: None: not counted.
        macs_reason: the reason why the network cannot be built; None: it can, or is not needed.
        latency: None: not measured.
        lineage: None: the file has none.
    """

    kind: ClassVar[str] = "checkpoint"
    version: ClassVar[int] = 1

    path: str
    sha256: str
    bytes: int
    dense_bytes: int | None
    numbers: int
    parameters: int
    kept: int
    model_sparsity: float | None
    model_density: float | None
    compression: float | None
    prunable: int
    prunable_nonzero: int
    sparsity: float | None
    density: float | None
    macs: MacsFacts | None
    macs_reason: str | None
    latency: LatencyFacts | None
    lineage: Lineage | None
    tensors: tuple[TensorFacts, ...]

    def to_json(self) -> Mapping[str, Any]:
        """The JSON object that ``apcli report CHECKPOINT --json`` prints."""
        lineage = None if self.lineage is None else self.lineage.to_json()
        plain = asdict(replace(self, lineage=None))
        return {"kind": self.kind, "version": self.version, **plain, "lineage": lineage}

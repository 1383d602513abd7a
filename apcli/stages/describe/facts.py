"""A description: what is known of one checkpoint, and of each of its tensors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from apcli.checkpoints.lineage import Lineage


@dataclass(frozen=True)
class TensorFacts:
    """One tensor of the file.

    Attributes:
        size: its numbers.
        layer: the layer whose prunable weight it is; None: none.
        tied: the other names of the same weight.
        left: why a tensor of two or more dimensions is no layer's weight.
        zeros: counted now; None for whole numbers.
        nonzero: the others.
        promised_zeros: how many its lineage promises; None: it promises none.
        macs: the multiply-adds with it for one image; None: not known.
        nonzero_macs: those with its nonzero numbers.
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
        dense: all of them.
        nonzero: those with nonzero weights, and ``without_weights``.
        without_weights: products with no weight of the file.
        dense_file: all of the dense file's network.
        theoretical_speedup: ``dense_file`` / ``nonzero``; None for a network of zeros alone.
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
        device_name: of a GPU; None for a CPU.
        dense: the same of the dense file; None: not at hand.
        speedup: the dense file's median / this one's.
        note: what to bear in mind.
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
    """What a checkpoint is.

    Attributes:
        bytes: the size of the file.
        dense_bytes: of the dense file that this one came from, its own if it came from none; None: not at hand.
        numbers: of all tensors.
        parameters: of the model, as ``checkpoints.sizes`` counts them; so are the next four.
        kept: those that were not removed.
        compression: ``parameters`` / ``kept``; None where that is not defined.
        prunable: the weights of the layers, on which ``sparsity`` and ``density`` are counted.
        macs: None: not counted.
        macs_reason: what is missing to count them; None: nothing.
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

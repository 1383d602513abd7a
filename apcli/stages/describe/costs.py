"""The costs of a checkpoint's network: its multiply-adds, and the time of a forward pass on this machine."""

import json
import logging
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.staging import staged
from apcli.checkpoints.layers import SECOND_NAME
from apcli.checkpoints.reading import dense_ancestor
from apcli.configs.describe import CostsConfig
from apcli.configs.shared import DataConfig, InputConfig
from apcli.data.image_spec import ImageSpec
from apcli.devices import device_of
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec, resolve
from apcli.networks import ASSUMED_CLASSES, Networks, noise_for, running
from apcli.probes.costs import Costs, macs
from apcli.probes.latency import Latency, latency, layer_latencies
from apcli.progress import Tell
from apcli.records.checkpoint import CheckpointRecord, DenseLatency, LatencyFacts, MacsFacts
from apcli.records.latency_table import KIND, VERSION, LatencyTable, LayerLatency

log = logging.getLogger("apcli")

NOTE = (
    "zeros in a dense file do not make dense kernels faster; taking whole channels out does: "
    "apcli prune --structure filter --compact"
)


class NetworkCosts:
    """Adds the costs of networks to the descriptions of a stream of checkpoints.

    Args:
        tell: shows a line of progress.
    """

    def __init__(self, config: CostsConfig, tell: Tell) -> None:
        self.config = config
        self.tell = tell
        self.device = device_of(config.device, deterministic=False) if config.times else torch.device("cpu")
        self._counts: dict[Hashable, tuple[Costs, int, ModelSpec]] = {}
        self.networks = Networks(
            DataConfig(), config.model, self.device, tell, InputConfig(num_classes=config.num_classes)
        )

    def extend(self, description: CheckpointRecord, checkpoint: Checkpoint) -> CheckpointRecord:
        """A checkpoint's ``description`` with its MACs and, where asked for, its latency.

        Raises:
            UsageError: an option needs the network, which is not known.
            ApcliError: the network cannot be built, does not fit the file, or does not run.
        """
        try:
            if not self.config.times:
                return with_macs(description, *self._counted(checkpoint))
            own = self._network(checkpoint, None)
            if self.config.latency_table is not None:
                self._table(own, Path(self.config.latency_table))
            if not self.config.latency:
                return with_macs(description, *self._counted(checkpoint, own))
            dense = self._dense(checkpoint, own)
            if self.config.macs is not False:
                description = with_macs(description, *self._macs(own, dense), own.spec)
        except ApcliError as error:
            if self.config.needs_network:
                raise
            return replace(description, macs_reason=str(error))
        return replace(description, latency=self._latency(own, dense))

    def _counted(self, checkpoint: Checkpoint, built: "_Network | None" = None) -> "tuple[Costs, int, ModelSpec]":
        """The network's multiply-adds, the total of its dense file's, and its spec.

        Files of one network, one dense file and the same shapes have the same counts: these are cached.
        """
        dense = checkpoint.lineage.dense
        shapes = tuple(_shapes(checkpoint).items())
        key = (json.dumps(checkpoint.lineage.model, sort_keys=True), dense and dense.sha256, shapes)
        if key not in self._counts:
            own = built or self._network(checkpoint, None)
            self._counts[key] = *self._macs(own, self._dense(checkpoint, own)), own.spec
        return self._counts[key]

    def _network(self, checkpoint: Checkpoint, spec: ModelSpec | None) -> "_Network":
        """Build the checkpoint's network: that of its lineage, otherwise ``spec``, otherwise that of ``--model``."""
        self.tell(f"building the network of {checkpoint.label}")
        known = self.networks.options.known_spec(checkpoint)
        spec = self._sized(known) if known else spec or self._spec_by_option(checkpoint)
        return _Network(checkpoint, spec, self.networks.network(spec, checkpoint))

    def _dense(self, checkpoint: Checkpoint, own: "_Network") -> "_Network | None":
        """The network to compare with: that of ``--dense``, otherwise of the lineage's dense file; None if there is
        none.

        Also None if nothing is timed and the tensors have the same shapes, because the counts would be equal.
        """
        given = self.config.dense
        if given is None and checkpoint.lineage.dense is None:
            return None
        try:
            dense = dense_ancestor(checkpoint, given, self.config.weights_key)
        except ApcliError as error:
            if given is not None:
                raise
            if self.config.latency:
                log.warning("only %s itself is timed: %s", checkpoint.label, error)
            return None
        if self.config.latency or _shapes(dense) != _shapes(checkpoint):
            return self._network(dense, own.spec)
        return None

    def _spec_by_option(self, checkpoint: Checkpoint) -> ModelSpec:
        """The network that a file names, or ``--model``, with a class for each output of the file's last layer."""
        name, inputs = self.networks.options.name_for(checkpoint), self.networks.options.inputs_for(checkpoint)
        spec = resolve(name, ImageSpec((3, 1, 1), inputs.num_classes or ASSUMED_CLASSES, (0.0,), (1.0,)), inputs)
        if spec.source in ("apcli", "user") and self.config.input_size is None and inputs.input_size is None:
            raise UsageError(f"{checkpoint.label}: {name} takes images of many sizes: give --input-size SIDE, or C,H,W")
        return self.networks.with_outputs_of(checkpoint, self._sized(spec))

    def _sized(self, spec: ModelSpec) -> ModelSpec:
        size = self.config.input_size
        if size is None:
            return spec
        channels, height, width = size if len(size) == 3 else (spec.input_size[0], *size, *size)
        return replace(spec, input_size=(channels, height, width))

    def _macs(self, own: "_Network", dense: "_Network | None") -> tuple[Costs, int]:
        """The network's multiply-adds, and the total of its dense file's: the same unless channels were removed."""
        self.tell(f"counting the multiply-adds of {own.checkpoint.label}")
        costs = []
        for network in (own, dense) if dense else (own,):
            with running(network.checkpoint.label, network.spec):
                costs.append(macs(network.model, noise_for(network.model, network.spec, 1)))
        return costs[0], costs[-1].total

    def _table(self, own: "_Network", path: Path) -> None:
        """Time the network's layers, and write that to a file.

        Raises:
            UsageError: there is such a file.
        """
        if path.exists():
            raise UsageError(f"{path} exists: remove it, or give --latency-table another name, of one checkpoint")
        self.tell(f"timing the layers of {own.checkpoint.label}")
        config = self.config
        example = noise_for(own.model, own.spec, config.batch_size)
        often: dict[str, Any] = {"warmup": config.warmup, "runs": config.runs}
        with running(own.checkpoint.label, own.spec):
            (whole,) = latency([own.model], example, **often)
            timed = layer_latencies(own.model, example, **often)
        shapes = {name: tuple(tensor.shape) for name, tensor in own.model.state_dict().items()}
        layers = tuple(LayerLatency(name, shapes[name], **vars(layer)) for name, layer in timed.items())
        table = LatencyTable(
            kind=KIND,
            version=VERSION,
            model=own.spec.name,
            input_size=tuple(own.spec.input_size),
            batch_size=config.batch_size,
            **self._where(),
            **often,
            seconds=whole.median,
            layers=layers,
        )
        with staged(path) as temporary:
            temporary.write_text(json.dumps(table.to_json()) + "\n")
        log.info("%s: the times of %d layers of %s", path, len(layers), own.checkpoint.label)

    def _where(self) -> dict[str, Any]:
        """The device, as records name it."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        return {"device": str(self.device), "device_name": name, "threads": torch.get_num_threads()}

    def _latency(self, own: "_Network", dense: "_Network | None") -> LatencyFacts:
        self.tell(f"timing {own.checkpoint.label}")
        config = self.config
        example = noise_for(own.model, own.spec, config.batch_size)
        models = [own.model, dense.model] if dense else [own.model]
        with running(own.checkpoint.label, own.spec):
            taken, *others = latency(models, example, warmup=config.warmup, runs=config.runs)
        return LatencyFacts(
            **_times(taken),
            runs=taken.runs,
            warmup=config.warmup,
            batch_size=config.batch_size,
            input_size=tuple(own.spec.input_size),
            **self._where(),
            dtype=str(example.dtype).removeprefix("torch."),
            dense=DenseLatency(dense.checkpoint.label, **_times(others[0])) if dense else None,
            speedup=others[0].median / taken.median if dense else None,
            note=NOTE,
        )


@dataclass(frozen=True)
class _Network:
    """A checkpoint's network, and the spec of its inputs and outputs."""

    checkpoint: Checkpoint
    spec: ModelSpec
    model: nn.Module


def with_macs(description: CheckpointRecord, costs: Costs, dense_file: int, spec: ModelSpec) -> CheckpointRecord:
    """Add a network's multiply-adds for one image to a description, by tensor and in total.

    A weight with zeros counts macs * nonzero / size; products without a weight of the file count in full.

    Args:
        dense_file: the total of the dense file's network.
    """
    tensors, skipped = [], 0
    for tensor in description.tensors:
        uses = [costs.weights[name] for name in (tensor.name, *tensor.tied) if name in costs.weights]
        dense = sum(uses) if uses and tensor.left != SECOND_NAME else None
        of_zeros = (dense or 0) * (tensor.zeros or 0) // max(1, tensor.size)
        skipped += of_zeros
        tensors.append(replace(tensor, macs=dense, nonzero_macs=None if dense is None else dense - of_zeros))
    nonzero = costs.total - skipped
    totals = MacsFacts(
        input_size=tuple(spec.input_size),
        dense=costs.total,
        nonzero=nonzero,
        without_weights=costs.others,
        dense_file=dense_file,
        theoretical_speedup=dense_file / nonzero if nonzero else None,
    )
    return replace(description, macs=totals, tensors=tuple(tensors))


def _shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    return {name: entry.shape for name, entry in checkpoint.entries.items()}


def _times(times: Latency) -> dict[str, Any]:
    return {"median": times.median, "low": times.low, "high": times.high}

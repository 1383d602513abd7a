"""Projections that need the network and its data: covariances measured on the dense network, and its predictions."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.state_dicts import tensor_of
from apcli.configs.divergence import DivergenceConfig
from apcli.data.datasets import evenly
from apcli.devices import device_of
from apcli.errors import ApcliError, UsageError
from apcli.networks import Networks, batches_of, forward_batches
from apcli.probes.predictions import log_probabilities
from apcli.progress import Tell
from apcli.projections import COVARIANCES
from apcli.projections.weights import Tensors
from apcli.registry.tables import Choice
from apcli.theory.covariances.families import log_of_scales
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import Pair, number_or_same
from apcli.theory.numerics.matrices import euclidean

log = logging.getLogger("apcli")


class DataProjections:
    """Measures dense networks on data; what belongs to one dense file is had once for all its pruned files."""

    def __init__(self, config: DivergenceConfig, tell: Tell) -> None:
        self.config = config
        self.tell = tell
        self.networks = Networks(config.data, config.model, device_of(config.device), tell, config.inputs)
        self._origin: tuple[Any, ...] = ()
        self._metrics: dict[tuple[tuple[str, ...], ...], Any] = {}
        self._dense: np.ndarray | None = None

    def start(self, dense: Checkpoint, pruned: Checkpoint, tensors: Sequence[str]) -> dict[str, Any]:
        """Begin with a pair and its compared tensors; says which data it is measured on, as its records do.

        Raises:
            UsageError: the network or the data is not known.
        """
        self.dense, self.pruned, self.compared = dense, pruned, tuple(tensors)
        told = pruned if pruned.lineage.model else dense
        self.spec, dataset = self.networks.spec_and_data(told)
        origin = (dense.sha256, dataset.name, self.spec)
        if origin != self._origin:
            self._origin, self._metrics, self._dense = origin, {}, None
            self._split = evenly(getattr(dataset, self.config.split), self.config.images)
            self._batches = batches_of(self._split, self.spec, self.config.batch_size)
        return {"data": dataset.name, "split": self.config.split, "images": len(self._split)}

    def shift(self, choice: Choice, tensors: Sequence[Tensors]) -> Shift:
        """The distance of these layers' weights in the metric that the dense network gives them.

        Raises:
            UsageError: the layers are of a kind that the metric does not know.
        """
        difference = {}
        for t in tensors:
            before, after = (entry.values.astype(np.float64) for entry in (t.dense, t.pruned))
            difference[t.layer.tensor] = before - after
        length = float(np.hypot.reduce([euclidean(d) for d in difference.values()]))
        unit = length if 0 < length < math.inf else 1.0  # a metric's squares neither overflow nor underflow then
        scale = float(choice.parameters["scale"])
        try:
            pruned_scale = number_or_same(choice.parameters["pruned_scale"], scale, "pruned_scale")
            log_scales = log_of_scales(scale, pruned_scale)
            squared = self._metric(choice).squared({name: d / unit for name, d in difference.items()})
        except ValueError as error:
            raise UsageError(f"--dist {choice.spec}: {error}") from None
        except ApcliError as error:
            raise type(error)(f"{self.dense.label}: {error}") from None
        damping = float(choice.parameters.get("damping", 0.0))
        if length and damping > squared / 2:
            share = f"{100 * damping / squared:.0f} %"
            log.warning("--dist %s: damping makes %s of a value: the network hardly responds", choice.spec, share)
        size = np.array([sum(d.size for d in difference.values())])
        return Shift(np.array([log_scales]), size, np.array([unit * math.sqrt(squared) / pruned_scale]), length)

    def predictive(self, choice: Choice, replaced: Mapping[str, Entry]) -> Pair:
        """The two networks' predictions for every image; ``replaced`` are tensors that differ from the pruned file's.

        Raises:
            ApcliError: an output is NaN or Inf.
        """
        if self._dense is None:
            self._dense = self._log_probabilities(self.dense, {})
        pair: Pair = choice.row.load()(self._dense, self._log_probabilities(self.pruned, replaced))
        return pair

    def _metric(self, choice: Choice) -> Any:
        row = COVARIANCES.row(str(choice.parameters["cov"]))
        given = {key: choice.parameters[key] for key in row.parameters}
        key = ((row.name, *(f"{k}={v}" for k, v in given.items())), self.compared)
        if key not in self._metrics:
            self.tell(f"{row.name} of {self.dense.label}")
            network = self.networks.network(self.spec, self.dense)
            self._metrics[key] = row.load()(network, self.compared, self._batches, **given)
        return self._metrics[key]

    def _log_probabilities(self, checkpoint: Checkpoint, replaced: Mapping[str, Entry]) -> np.ndarray:
        self.tell(f"predictions of {checkpoint.label}")
        network = self.networks.network(self.spec, checkpoint)
        network.load_state_dict({name: tensor_of(entry) for name, entry in replaced.items()}, strict=False)
        try:
            return log_probabilities(network, forward_batches(network, self._split, self.spec, self.config.batch_size))
        except ApcliError as error:
            raise ApcliError(f"{checkpoint.label}: {error}") from None

"""Projections that need the network and its data: covariances measured on the dense network, and its predictions."""

import logging
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.state_dicts import tensor_of
from apcli.configs.divergence import DivergenceConfig
from apcli.data.datasets import Dataset, evenly
from apcli.devices import device_of
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec
from apcli.networks import Networks, batches_of, forward_batches
from apcli.probes.batch_size import halved_if_needed
from apcli.probes.predictions import log_probabilities
from apcli.probes.undisturbed import Metric
from apcli.progress import Tell
from apcli.projections import COVARIANCES
from apcli.projections.weights import Distribution, Tensors
from apcli.theory.covariances.families import log_of_scales
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import Pair, number_or_same
from apcli.theory.numerics.matrices import euclidean

log = logging.getLogger("apcli")


class DataProjections:
    """Measures a stream of pairs on their networks; a dense file is measured once for all its pruned files."""

    def __init__(self, config: DivergenceConfig, tell: Tell) -> None:
        self.config = config
        self.tell = tell
        self.networks = Networks(config.data, config.model, device_of(config.device), tell, config.inputs)
        self._dense: DenseNetwork | None = None  # of the last dense checkpoint

    def of(self, dense: Checkpoint, pruned: Checkpoint, tensors: Sequence[str]) -> "PairOnData":
        """A pair of checkpoints, with ``tensors`` to compare.

        Raises:
            UsageError: the network or the data is unknown.
        """
        spec, dataset = self.networks.of_pair(dense, pruned)
        if self._dense is None or self._dense.key != (dense.sha256, dataset.name, spec):
            self._dense = DenseNetwork(dense, spec, dataset, self.networks, self.config, self.tell)
        return PairOnData(self._dense, pruned, tuple(tensors))


class DenseNetwork:
    """The network of a dense checkpoint, and the images for measurements.

    Attributes:
        key: dense networks of the same key give the same measurements.
        evaluated: the images, as described in records.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        spec: ModelSpec,
        dataset: Dataset,
        networks: Networks,
        config: DivergenceConfig,
        tell: Tell,
    ) -> None:
        self.checkpoint, self.spec, self.networks, self.tell = checkpoint, spec, networks, tell
        self.key = (checkpoint.sha256, dataset.name, spec)
        self.split = evenly(getattr(dataset, config.split), config.images)
        self.evaluated = {"data": dataset.name, "split": config.split, "images": len(self.split)}
        self.batch_size = config.batch_size
        self._metrics: dict[tuple[tuple[str, ...], ...], Any] = {}

    def metric(self, choice: Distribution, tensors: tuple[str, ...]) -> Metric:
        """The metric of ``choice`` for these tensors' weights, cached."""
        row = COVARIANCES.row(str(choice.parameters["cov"]))
        given = {key: choice.parameters[key] for key in row.parameters}
        key = ((row.name, *(f"{k}={v}" for k, v in given.items())), tensors)
        if key not in self._metrics:
            self.tell(f"{row.name} of {self.checkpoint.label}")
            network = self.networks.network(self.spec, self.checkpoint)
            batches = batches_of(self.split, self.spec, self.batch_size)
            self._metrics[key] = row.load()(network, tensors, batches, **given)
        return self._metrics[key]

    @cached_property
    def predictions(self) -> np.ndarray:
        """Log probabilities [images, classes].

        Raises:
            ApcliError: an output is NaN or Inf.
        """
        return self.predictions_of(self.checkpoint, {})

    def predictions_of(self, checkpoint: Checkpoint, replaced: Mapping[str, Entry]) -> np.ndarray:
        """Log probabilities [images, classes] of a file of the same network, with some tensors ``replaced``.

        Raises:
            ApcliError: an output is NaN or Inf.
        """
        self.tell(f"predictions of {checkpoint.label}")
        network = self.networks.network(self.spec, checkpoint)
        network.load_state_dict({name: tensor_of(entry) for name, entry in replaced.items()}, strict=False)
        try:
            return halved_if_needed(
                lambda size: log_probabilities(network, forward_batches(network, self.split, self.spec, size)),
                self.batch_size,
            )
        except ApcliError as error:
            raise ApcliError(f"{checkpoint.label}: {error}") from None


class PairOnData:
    """A dense network and a pruned checkpoint; ``compared`` are the tensors to compare."""

    def __init__(self, dense: DenseNetwork, pruned: Checkpoint, compared: tuple[str, ...]) -> None:
        self.dense, self.pruned, self.compared = dense, pruned, compared

    def shift(self, choice: Distribution, tensors: Sequence[Tensors]) -> Shift:
        """The distance of these layers' weights in the dense network's metric.

        Raises:
            UsageError: the metric does not support the layers' kind.
        """
        difference = {}
        for t in tensors:
            before, after = (entry.values.astype(np.float64) for entry in (t.dense, t.pruned))
            difference[t.layer.tensor] = before - after
        length = float(np.hypot.reduce([euclidean(d) for d in difference.values()]))
        unit = length if 0 < length < math.inf else 1.0  # keeps a metric's squares from overflow and underflow
        scale = float(choice.parameters["scale"])
        try:
            pruned_scale = number_or_same(choice.parameters["pruned_scale"], scale, "pruned_scale")
            log_scales = log_of_scales(scale, pruned_scale)
            squared = self.dense.metric(choice, self.compared).squared(
                {name: d / unit for name, d in difference.items()}
            )
        except ValueError as error:
            raise UsageError(f"--dist {choice.spec}: {error}") from None
        except ApcliError as error:
            raise type(error)(f"{self.dense.checkpoint.label}: {error}") from None
        damping = float(choice.parameters.get("damping", 0.0))
        if length and damping > squared / 2:
            share = f"{100 * damping / squared:.0f} %"
            log.warning("--dist %s: damping contributes %s of a value: the network hardly responds", choice.spec, share)
        size = np.array([sum(d.size for d in difference.values())])
        return Shift(np.array([log_scales]), size, np.array([unit * math.sqrt(squared) / pruned_scale]), length)

    def predictive(self, choice: Distribution, replaced: Mapping[str, Entry]) -> Pair:
        """The two networks' predictions for every image; ``replaced`` are tensors to use instead of the pruned file's.

        Raises:
            ApcliError: an output is NaN or Inf.
        """
        predictions: Pair = choice.row.load()(self.dense.predictions, self.dense.predictions_of(self.pruned, replaced))
        return predictions

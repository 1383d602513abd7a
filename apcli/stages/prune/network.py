"""Use the network for pruning: score and reconstruct weights by running it, and remove its channels."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from apcli.channels.groups import ChannelGraph, channel_graph
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.state_dicts import entry_of
from apcli.configs.prune import PruneConfig
from apcli.criteria.subject import Masks, Scores, Subject
from apcli.data.datasets import Dataset
from apcli.devices import device_of
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec
from apcli.networks import Networks
from apcli.probes.costs import macs
from apcli.probes.undisturbed import Batches
from apcli.progress import Tell
from apcli.registry.tables import Choice, Row
from apcli.stages.prune.amounts import Amounts
from apcli.stages.prune.channel_amounts import Candidates, amounts_of_channels, candidates_of
from apcli.stages.prune.channels import FilterPruner, FilterResult
from apcli.stages.prune.measured.adjustment import adjusted
from apcli.stages.prune.measured.allocations import Measurements
from apcli.stages.prune.measured.images import OnImages
from apcli.stages.prune.measured.limits import Masked, limited
from apcli.stages.prune.requests import Request, needs_data, scores_network
from apcli.words import few

log = logging.getLogger("apcli")


class NetworkScores:
    """Builds the networks of a stream of checkpoints; each data set is read once."""

    def __init__(self, config: PruneConfig, tell: Tell) -> None:
        self.config = config
        self.tell = tell
        self.networks = Networks(config.data, config.model, device_of(config.device), tell, config.inputs)

    def as_built(self, source: Checkpoint) -> Checkpoint:
        """The checkpoint with the layers of its network, for requests that do not run it.

        Raises:
            UsageError: the network is unknown, or does not match the file.
        """
        return self.networks.with_layers(source)

    def of(self, source: Checkpoint) -> "ScoredNetwork":
        """The checkpoint's network with its weights, or an outline if only the structure is needed.

        Raises:
            UsageError: the network or its data is unknown, or the network does not match the file.
            ApcliError: the weights do not fit the network.
        """
        of_weights = not needs_data(self.config)
        of_structure = of_weights and not scores_network(self.config)
        spec, dataset = (
            (self.networks.spec_of_weights(source), None) if of_weights else self.networks.spec_and_data(source)
        )
        build = self.networks.outline if of_structure else self.networks.network
        built = self.networks.as_built(
            source, spec, by_its_data=dataset is not None and self.config.data.name is not None
        )
        held = None if dataset is None else dataset.hold_out(self.config.validation)
        return ScoredNetwork(built, build(spec, source), spec, held, self.config, self.tell)

    def macs(self, spec: ModelSpec, checkpoint: Checkpoint) -> int | None:
        """The multiply-adds of the checkpoint's network for one image, by its structure alone.

        None if the network needs numbers that no file stores, such as a table of positions.
        """
        try:
            return macs(self.networks.outline(spec, checkpoint), torch.empty(1, *spec.input_size, device="meta")).total
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:  # noqa: BLE001  # another's code may raise anything: a number less is said
            return None

    def structure_of(self, source: Checkpoint) -> "ScoredNetwork":
        """The checkpoint's network without weights and data, for ``amounts`` alone.

        Raises:
            UsageError: the network is unknown, or depends on the data.
        """
        spec = self.networks.spec_without_data(source)
        if spec is None:
            raise UsageError(
                f"{source.label}: the weights of --model {self.config.model} depend on the data, which --dry-run does "
                "not read: leave --dry-run out, or give a file that apcli wrote"
            )
        built = self.networks.as_built(source, spec)
        return ScoredNetwork(built, self.networks.outline(spec, source), spec, None, self.config, self.tell)


class ScoredNetwork:
    """One checkpoint's network, for all its methods and sparsities.

    Args:
        source: the checkpoint, with the layers of its network.
        model: the network with its weights, or an outline if ``filters`` needs no more.
        dataset: None if nothing needs data.
    """

    def __init__(
        self,
        source: Checkpoint,
        model: nn.Module,
        spec: ModelSpec,
        dataset: Dataset | None,
        config: PruneConfig,
        tell: Tell,
    ) -> None:
        self.source, self.model, self.spec, self.dataset = source, model, spec, dataset
        self.config = config
        self.tell = tell
        self._scores: dict[tuple[str, ...], Scores] = {}  # by method and tensors
        self._filters: dict[tuple[str, ...], FilterPruner] = {}
        self._images = OnImages(source, model, spec, dataset, config, tell)
        self.measured = Measurements(source.label, model, spec, self._images.batches, tell)

    def scores(self, layers: Sequence[Layer], method: Choice[Row], choose: Callable[[Scores, float], Masks]) -> Scores:
        """Scores by tensor, larger = keep; cached unless the criterion asks what an amount chooses."""
        tensors = [layer.tensor for layer in layers]
        key = (method.spec, *tensors)
        if key in self._scores:
            return self._scores[key]
        asked = False

        def noted(scores: Scores, share: float) -> Masks:
            nonlocal asked
            asked = True
            return choose(scores, share)

        scores: Scores = self._run(method, Subject(self.model, tensors, self._batches(method), noted))
        missing = [layer.tensor for layer in layers if layer.tensor not in scores]
        if missing:
            raise ApcliError(f"{self.source.label}: method {method.spec} gives no scores of {few(missing)}")
        if not asked:
            self._scores[key] = scores
        return scores

    def reconstructed(
        self,
        layers: Sequence[Layer],
        method: Choice[Row],
        removed: dict[str, int],
        pattern: tuple[int, int] | None,
    ) -> dict[str, Entry]:
        """New weights, in the file's own type, by tensor."""
        tensors = [layer.tensor for layer in layers]
        subject = Subject(self.model, tensors, self._batches(method), _chooses_nothing, removed, pattern)
        weights: dict[str, np.ndarray] = self._run(method, subject)
        dtypes = {name: tensor.dtype for name, tensor in self.model.state_dict().items()}
        return {name: entry_of(torch.from_numpy(w).to(dtypes[name])) for name, w in weights.items()}

    def limited(self, layers: Sequence[Layer], request: Request, masked: Masked) -> Request:
        """The request with the share of the weights that its limit removes, see ``measured.limits``."""
        return limited(self._images, layers, request, masked)

    def adjusted(self, layers: Sequence[Layer], masked: Mapping[str, Entry]) -> dict[str, Entry]:
        """The tensors of pruned layers, the kept weights adjusted, see ``measured.adjustment``."""
        return adjusted(self._images, layers, masked)

    def candidates(self, layers: Sequence[Layer]) -> Candidates:
        """The channel groups of these layers that can lose channels, by the network's graph alone.

        Raises:
            UsageError: there are none.
        """
        through = self.config.through_norms
        return candidates_of(self.source, self.graph.groups, layers, self.config.exclude, through_norms=through)

    @cached_property
    def graph(self) -> ChannelGraph:
        """The network's channels."""
        return channel_graph(self.model, torch.zeros(1, *self.spec.input_size))

    def has_channels(self, layers: Sequence[Layer]) -> bool:
        """Whether some channel of these layers can be removed; says why not."""
        try:
            return bool(self.candidates(layers).groups)
        except UsageError as error:
            log.info("%s", str(error).partition(": choose")[0])
            return False

    def amounts(self, layers: Sequence[Layer], request: Request) -> Amounts:
        """The amounts of the groups' channels, before the numerical check of their removal.

        Raises:
            UsageError: no channel can be removed, or layers that make the same channels have different shares.
        """
        return self._amounts(self.candidates(layers), request)

    def _amounts(self, candidates: Candidates, request: Request) -> Amounts:
        return amounts_of_channels(self.source, candidates, request.amount, self._scoped(request), self.measured)

    def filters(self, layers: Sequence[Layer], request: Request) -> FilterResult:
        """Remove channels of the checkpoint."""
        method, kind = request.method, "data" if request.needs("data") else "weights"
        key = (kind, *(layer.tensor for layer in layers))
        if key not in self._filters:
            batches = self._batches(method) if kind == "data" else None
            candidates = self.candidates(layers)
            self._filters[key] = FilterPruner(self.source, self.model, self.spec, self.graph, candidates, batches)
        pruner = self._filters[key]
        amounts = self._amounts(pruner.candidates, request)
        return pruner.prune(method, amounts, request.seed or 0, self.config.compact)

    def _scoped(self, request: Request) -> PruneConfig:
        return replace(self.config, scope=request.scope)

    def _run(self, method: Choice[Row], subject: Subject) -> Any:
        self.tell(f"{method.spec} of {self.source.label}")
        try:
            return method(subject)
        except ApcliError as error:
            raise type(error)(f"{self.source.label}: {error}") from None

    def _batches(self, method: Choice[Row]) -> Batches:
        """The batches for a method; for one without data, a single image of zeros."""
        if "data" in method.row.needs:
            return self._images.batches()
        weight = next(self.model.parameters())
        image = torch.zeros(1, *self.spec.input_size, dtype=weight.dtype, device=weight.device)
        return lambda: iter([(image, torch.zeros(1, dtype=torch.int64, device=weight.device))])


def _chooses_nothing(scores: Scores, share: float) -> Masks:
    raise AssertionError("a criterion that reconstructs weights chooses them itself")

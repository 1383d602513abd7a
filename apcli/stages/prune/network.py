"""What pruning needs the network for: scores by criteria that run it, reconstructed weights, and its channels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer, select
from apcli.checkpoints.state_dicts import entry_of
from apcli.configs.prune import PruneConfig
from apcli.criteria.subject import Masks, Scores, Subject
from apcli.data.datasets import evenly
from apcli.devices import device_of
from apcli.errors import ApcliError
from apcli.networks import Networks, batches_of
from apcli.progress import Tell
from apcli.registry.tables import Choice
from apcli.stages.prune.channel_shares import Named, Shares
from apcli.stages.prune.channels import FilterPruner, FilterResult
from apcli.stages.prune.requests import Trial, needs_data, runs_network
from apcli.words import few

_BY_LAYER = "--layer-sparsity"


class NetworkScores:
    """Runs the networks of a stream of checkpoints; each is built once for all its methods and sparsities."""

    def __init__(self, config: PruneConfig, tell: Tell) -> None:
        self.config = config
        self.tell = tell
        self.networks = Networks(config.data, config.model, device_of(config.device), tell, config.inputs)
        self._needs_data = needs_data(config)
        self._origin: tuple[str, str] | None = None
        self._scores: dict[str, Scores] = {}
        self._filters: dict[str, FilterPruner] = {}

    def as_built(self, source: Checkpoint) -> Checkpoint:
        """The checkpoint with the layers that its network's modules say.

        Raises:
            UsageError: the network or its data is not known, or is another one.
        """
        if not runs_network(self.config):
            return source.as_built(self.networks.layers_for(source))
        self._begin(source)
        return source.as_built(self.networks.layers_of(self._spec))

    def scores(
        self, source: Checkpoint, layers: Sequence[Layer], method: Choice, choose: Callable[[Scores, float], Masks]
    ) -> Scores:
        """By tensor, larger = keep; had once for all sparsities, but of criteria that prune in steps."""
        self._begin(source)
        key = method.spec
        if key in self._scores:
            return self._scores[key]
        found: Scores = self._run(
            source, method, Subject(self._model, [x.tensor for x in layers], self._batches(method), choose)
        )
        missing = [layer.tensor for layer in layers if layer.tensor not in found]
        if missing:
            raise ApcliError(f"{source.label}: method {method.spec} gives no scores of {few(missing)}")
        if "data" in method.row.needs:
            self._scores[key] = found
        return found

    def reconstructed(
        self,
        source: Checkpoint,
        layers: Sequence[Layer],
        method: Choice,
        removed: dict[str, int],
        pattern: tuple[int, int] | None,
    ) -> dict[str, Entry]:
        """New weights, in the file's own type, by tensor."""
        self._begin(source)
        tensors = [layer.tensor for layer in layers]
        subject = Subject(self._model, tensors, self._batches(method), _chooses_nothing, removed, pattern)
        weights: dict[str, np.ndarray] = self._run(source, method, subject)
        dtypes = {name: tensor.dtype for name, tensor in self._model.state_dict().items()}
        return {name: entry_of(torch.from_numpy(w).to(dtypes[name])) for name, w in weights.items()}

    def filters(self, source: Checkpoint, layers: Sequence[Layer], trial: Trial) -> FilterResult:
        """The checkpoint without some of its channels."""
        config, method = self.config, trial.method
        assert method is not None
        self._begin(source)
        kind = "data" if "data" in method.row.needs else "weights"
        if kind not in self._filters:
            batches = self._batches(method) if kind == "data" else None
            unwanted = [] if config.exclude is None else select(source, config.exclude, option="--exclude")
            excluded = [layer.tensor for layer in unwanted]
            self._filters[kind] = FilterPruner(source, self._model, self._spec, layers, batches, excluded)
        named = [
            Named(f"{pattern}={share:g}", share, frozenset(x.tensor for x in select(source, pattern, None, _BY_LAYER)))
            for pattern, share in config.layer_sparsity
        ]
        shares = Shares(trial.sparsity, named)
        return self._filters[kind].prune(method, shares, config.scope, trial.seed or 0, config.min_keep, config.compact)

    def _run(self, source: Checkpoint, method: Choice, subject: Subject) -> Any:
        self.tell(f"{method.spec} of {source.label}")
        try:
            return method(subject)
        except ApcliError as error:
            raise type(error)(f"{source.label}: {error}") from None

    def _begin(self, source: Checkpoint) -> None:
        origin = (source.label, source.sha256)
        if origin == self._origin:
            return
        self._origin, self._scores, self._filters = origin, {}, {}
        known = self.networks.known_spec(source)
        if known and not self._needs_data:
            self._spec = known
        else:
            self._spec, self._dataset = self.networks.spec_and_data(source)
        network = self.networks.outline if self.config.is_filter and not self._needs_data else self.networks.network
        self._model = network(self._spec, source)

    def _batches(self, method: Choice) -> Any:
        if "data" in method.row.needs:
            split = evenly(getattr(self._dataset, self.config.split), self.config.images)
            return batches_of(split, self._spec, self.config.batch_size)
        device = self.networks.device
        dtype = next(self._model.parameters()).dtype
        image = torch.zeros(1, *self._spec.input_size, dtype=dtype, device=device)
        return lambda: iter([(image, torch.zeros(1, dtype=torch.int64, device=device))])


def _chooses_nothing(scores: Scores, share: float) -> Masks:
    raise AssertionError("a criterion that reconstructs chooses for itself")

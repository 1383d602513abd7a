"""One checkpoint and what is to be done to it: its layers that take part, and the other files that have a say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apcli.checkpoints import reading
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer, check_tied, every_layer, select
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError
from apcli.selection.layer_masks import fitting_pattern
from apcli.stages.zero_layers import check_masks_can_be_told


@dataclass(frozen=True)
class Task:
    """A checkpoint that is to be pruned.

    Attributes:
        layers: those that take part.
        names: all names that a layer's parameter has in the file, by its first.
        rewound: the file whose values the kept weights get; None: their own.
    """

    source: Checkpoint
    config: PruneConfig
    layers: tuple[Layer, ...]
    names: Mapping[str, tuple[str, ...]]
    rewound: Checkpoint | None

    def names_of(self, tensor: str) -> tuple[str, ...]:
        """All names of a parameter: tied weights have one mask, and the same zeros under each name."""
        return self.names.get(tensor, (tensor,))


def task_of(source: Checkpoint, config: PruneConfig) -> Task:
    """The checkpoint's part of a command line, its numbers looked at.

    Raises:
        UsageError: there are no such layers, or their zeros could not be told from removed weights.
        ApcliError: a weight is NaN or Inf, or ``--rewind-to`` is of another network.
    """
    layers = select(source, config.layers, config.exclude)
    if config.pattern:
        layers = fitting_pattern(layers, config.pattern, source.label)
    check_tied(source, layers)
    source.check_finite()
    names = {layer.tensor: layer.tensors for layer in every_layer(source)}
    rewound = None
    if config.rewind_to is not None:
        rewound = same_network(config.rewind_to, "--rewind-to", source, source.entries)
        rewound.check_finite()
    if not config.is_filter:
        check_masks_can_be_told(layers, source, rewound)
    return Task(source, config, tuple(layers), names, rewound)


def same_network(name: str, option: str, source: Checkpoint, tensors: Iterable[str]) -> Checkpoint:
    """The checkpoint called ``name``, which has these tensors in the same shapes and types.

    Raises:
        ApcliError: it has not.
    """
    other = reading.read(reading.find(name))
    for tensor in tensors:
        found, own = other.entries.get(tensor), source.entries[tensor]
        if found is None or found.shape != own.shape or found.is_float != own.is_float:
            raise ApcliError(f"{option} {name}: its {tensor} is not that of {source.label}: give a file of one network")
    return other

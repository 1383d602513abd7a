"""The bounds stage: from pairs of checkpoints to records."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.verification import check_input
from apcli.configs.bounds import BoundsConfig
from apcli.progress import Tell
from apcli.records.bound import BoundRecord
from apcli.registry.tables import Choice, Row
from apcli.stages.bounds import THEORIES
from apcli.stages.bounds.files import Files
from apcli.stages.bounds.measured import MeasuredPair, Stated
from apcli.stages.pairs.layers import compared_layers
from apcli.stages.pairs.pruning import Pruning, members_of, prunings_of

if TYPE_CHECKING:
    from apcli.stages.bounds.networks import Pairs


class Bounds:
    """Bounds a stream of pairs.

    Args:
        networks: gives what builds networks, for theories that ask for it; it loads PyTorch.
        tell: shows a line of progress.

    Raises:
        UsageError: a theory is unknown or named twice, or a parameter is out of range.
    """

    def __init__(self, config: BoundsConfig, networks: "Callable[[], Pairs]", tell: Tell) -> None:
        self.config, self._networks, self.tell = config, networks, tell
        self.theories = THEORIES.parse_list(config.theory)
        THEORIES.check_distinct(self.theories)

    def records(self, dense: Checkpoint, pruned: Checkpoint) -> Iterator[BoundRecord]:
        """Yield a record for every statement of every theory about a pair.

        Raises:
            UsageError: the dense file is pruned, a layer is unknown, or a theory needs a network that is not known.
            ApcliError: the layers do not match, a weight is NaN or Inf, or a network fails.
        """
        layers = compared_layers(dense, pruned, self.config.layers, self.config.exclude)
        check_input(dense)
        check_input(pruned)
        pair = MeasuredPair(Files(dense, pruned, tuple(layers)), self.config, self._networks, self.tell)
        pruning = prunings_of(pruned, layers)
        for choice in self.theories:
            self.tell(f"{choice.name} of {pruned.label}")
            for stated in choice(pair):
                yield _record(pair, choice, stated, pruning[stated.layer, None])


def _record(pair: MeasuredPair, choice: Choice[Row], stated: Stated, pruning: Pruning) -> BoundRecord:
    return BoundRecord(
        **members_of(pair.dense, pair.pruned, pruning),
        layer=stated.layer,
        epoch=stated.epoch,
        theory=choice.name,
        params=choice.parameters,
        evaluated=stated.evaluated,
        bound=stated.bound,
    )

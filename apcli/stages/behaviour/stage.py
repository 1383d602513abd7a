"""The behaviour stage: from pairs of checkpoints to records."""

from collections.abc import Iterator
from pathlib import Path

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.verification import check_input
from apcli.configs.behaviour import BehaviourConfig
from apcli.probes.outcomes import Outcomes
from apcli.progress import Tell
from apcli.records import POOLED
from apcli.records.behaviour import BehaviourRecord
from apcli.records.exemplars import ExemplarsRecord
from apcli.records.overlap import OverlapRecord
from apcli.stages.behaviour.calibration import calibration
from apcli.stages.behaviour.exemplars import Populations
from apcli.stages.behaviour.features import features
from apcli.stages.behaviour.image_files import ImageFiles
from apcli.stages.behaviour.masks import Masks
from apcli.stages.behaviour.networks import Runs, SeenByShift
from apcli.stages.behaviour.predictions import predictions
from apcli.stages.pairs.layers import compared_layers
from apcli.stages.pairs.pruning import members_of, prunings_of


class Behaviours:
    """Compares what the networks of a stream of pairs do.

    Args:
        tell: shows a line of progress.
    """

    def __init__(self, config: BehaviourConfig, tell: Tell) -> None:
        self.config, self.tell = config, tell
        self._runs = Runs(config, tell)
        self._populations, self._masks = Populations(), Masks()
        self._files = ImageFiles(Path(config.predictions), config.overwrite) if config.predictions is not None else None

    def records(self, dense: Checkpoint, pruned: Checkpoint) -> Iterator[BehaviourRecord]:
        """Yield the record of a pair, and one for each shift.

        Raises:
            UsageError: the dense file is pruned, a layer is unknown, the network or the data is not known, or another
                file is in the way.
            ApcliError: the layers do not match, a weight is NaN or Inf, or a network fails.
        """
        layers = compared_layers(dense, pruned, self.config.layers, self.config.exclude)
        check_input(dense)
        check_input(pruned)
        path = self._files.place(dense, pruned) if self._files else None
        images, before, after = self._runs.both(dense, pruned)
        if self._files and path:
            self._files.write(path, (dense, pruned), images, _named(before, after))
        members = members_of(dense, pruned, prunings_of(pruned, layers)[POOLED, None])
        for shift, seen in before.items():
            compare = shift is None and self.config.feature_images
            record = BehaviourRecord(
                **members,
                evaluated=images.evaluated,
                shift=shift.name if shift else None,
                severity=shift.severity if shift else None,
                predictions=predictions(seen.all, after[shift].all, images.names),
                calibration=calibration(images, seen, after[shift]),
                features=features(self._runs, dense, pruned, layers) if compare else None,
            )
            if shift is None:
                self._populations.add(images, record, seen.all, after[shift].all)
                self._masks.add(pruned, layers, record)
            yield record

    def over_all(self) -> Iterator[ExemplarsRecord | OverlapRecord]:
        """Yield the records about all pairs so far."""
        yield from self._populations.records()
        yield from self._masks.records()


def _named(dense: SeenByShift, pruned: SeenByShift) -> dict[str, Outcomes]:
    """What both networks make of all images: ``dense``, ``pruned``, and the same after a shift as ``noise-3.dense``."""
    named: dict[str, Outcomes] = {}
    for shift, seen in dense.items():
        lead = f"{shift.name}-{shift.severity}." if shift else ""
        named |= {f"{lead}dense": seen.all, f"{lead}pruned": pruned[shift].all}
    return named

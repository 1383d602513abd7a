"""The pruning limits of a dense network: what the theory of the limit says of it, together."""

import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from apcli.records.bound import AT_THE_LIMIT, KEPT, PROVEN, BoundRecord, Point, Spectrum
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import JUST_PRUNED, Moment

EPS = "eps"  # the constant of all of these statements


@dataclass(frozen=True)
class Limits:
    """The statements about the share of weights that one dense network keeps, for one set of parameters.

    Attributes:
        name: of the dense file, and the parameters where several sets of them have records.
        statements: the records, of one pair of files.
    """

    name: str
    statements: tuple[BoundRecord, ...]

    @property
    def sparsities(self) -> Mapping[str, float]:
        """By statement, the share of the weights that may go."""
        known = ((record.bound.statement, record.bound.value) for record in self.statements)
        return {name: 1 - value for name, value in known if value is not None}

    @property
    def network(self) -> str:
        """The identity of the dense network, as that of a trial."""
        return self.statements[0].dense.identity

    def at(self, moment: Moment) -> float | None:
        """The sparsity that nothing said of the network exceeds at a moment; None: not known.

        Right after pruning it is that of one-shot pruning, as measured; later, when the weights that are kept may have
        made up for the others, the largest of all statements.
        """
        proven = {record.bound.statement for record in self.statements if record.bound.standing == PROVEN}
        known = [s for name, s in self.sparsities.items() if moment != JUST_PRUNED or name in proven]
        return max(known, default=None)

    @property
    def eps(self) -> float:
        """The rise of the loss that is allowed, nats."""
        return self._constant(EPS) or 0.0

    @property
    def curve(self) -> tuple[Point, ...]:
        return next((record.bound.curve for record in self.statements if record.bound.curve), ())

    @property
    def spectrum(self) -> Spectrum | None:
        return next((record.bound.spectrum for record in self.statements if record.bound.spectrum), None)

    @property
    def threshold(self) -> float | None:
        """The eigenvalue at the limit that has the spectrum: the published one."""
        return self._constant(AT_THE_LIMIT)

    def _constant(self, name: str) -> float | None:
        """Of the first statement that has it."""
        constants = (one for record in self.statements for one in record.bound.constants)
        return next((one.value for one in constants if one.name == name), None)


def limits_of(group: Group) -> tuple[Limits, ...]:
    """The limits in the order of the records, each once: all pruned files of a dense one have the same."""
    about = [record for record in group.bounds if record.bound.quantity == KEPT]
    found: dict[object, tuple[BoundRecord, ...]] = {}
    for key, members in itertools.groupby(about, key=lambda r: (r.dense, r.pruned, sorted(r.params.items()))):
        records = tuple(members)
        said = tuple((record.bound.statement, record.bound.value) for record in records)
        found.setdefault((key[0].identity, repr(key[2]), said), records)
    several = len({repr(sorted(records[0].params.items())) for records in found.values()}) > 1
    return tuple(Limits(_name(records[0], several), records) for records in found.values())


def is_past(run: Run, limits: Mapping[str, Limits], moment: Moment) -> bool | None:
    """Whether a run's mean sparsity is past its dense networks' mean limit; None if none has a limit.

    Args:
        limits: by dense network.
    """
    known = [(trial.actual, limits[trial.network].at(moment)) for trial in run.trials if trial.network in limits]
    pairs = [(actual, limit) for actual, limit in known if actual is not None and limit is not None]
    if not pairs:
        return None
    actual, limit = (statistics.fmean(values) for values in zip(*pairs, strict=True))
    return actual > limit


def _name(record: BoundRecord, with_parameters: bool) -> str:
    file = PurePath(record.dense.path or "dense network").name
    return ", ".join([file, *(f"{key} {value}" for key, value in record.params.items() if with_parameters)])

"""All comparisons of a group, computed once and shared by page, Markdown, CSV, figures and answers."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from apcli.stages.report.comparisons.agreement import Agreement, Improved, agreements_by_epoch, agreements_of, improved
from apcli.stages.report.comparisons.behaviour import rankings_of, seen
from apcli.stages.report.comparisons.contrast import Contrast, contrasts
from apcli.stages.report.comparisons.methods import MethodComparison, method_comparisons
from apcli.stages.report.comparisons.over_epochs import WithinNetworks, within_networks
from apcli.stages.report.comparisons.ranking import MeasureRanking, rankings
from apcli.stages.report.runs.experiment import Group


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of the runs of one group.

    Attributes:
        networks: the number of dense networks, the clusters.
        methods: paired differences of accuracy.
        agreements: of AP and PD, just pruned and final; ``by_epoch``: at every traced epoch.
        improved: the runs that improved, and the agreements with the signed change of loss.
        rankings: of the measures by their agreement over all runs.
        within_networks: the agreement over the epochs of one pruned network.
        contrasts: how far each measure separates two methods.
        behaviour: the agreements of the measures with each number of behaviour; ``behaviour_rankings``: the measures by
            these.
    """

    networks: int
    methods: tuple[MethodComparison, ...]
    agreements: tuple[Agreement, ...]
    by_epoch: tuple[Agreement, ...]
    improved: tuple[Improved, ...]
    rankings: tuple[MeasureRanking, ...]
    within_networks: tuple[WithinNetworks, ...]
    contrasts: tuple[Contrast, ...]
    behaviour: tuple[Agreement, ...]
    behaviour_rankings: tuple[MeasureRanking, ...]


_MADE: WeakKeyDictionary[Group, Comparisons] = WeakKeyDictionary()


def comparisons_of(group: Group) -> Comparisons:
    """The comparisons of a group: computed at the first call, the same object afterwards."""
    made = _MADE.get(group)
    if made is None:
        agreements, behaviour = agreements_of(group), seen(group)
        made = _MADE[group] = Comparisons(
            networks=len({trial.network for run in group.runs for trial in run.trials}),
            methods=method_comparisons(group),
            agreements=agreements,
            by_epoch=agreements_by_epoch(group),
            improved=improved(group),
            rankings=tuple(rankings(agreements)),
            within_networks=within_networks(group),
            contrasts=contrasts(group),
            behaviour=behaviour,
            behaviour_rankings=rankings_of(behaviour),
        )
    return made

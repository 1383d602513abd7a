"""The checklist of an honest experiment: what a reader should know before trusting a group's numbers."""

from dataclasses import dataclass

from apcli.stages.report.runs.experiment import Group, Report
from apcli.words import count

CLUSTERS = 5  # dense networks: fewer give no interval


@dataclass(frozen=True)
class Check:
    """One line of the checklist, with the reason why it passed or is open."""

    item: str
    passed: bool
    reason: str


def checklist(report: Report, group: Group) -> tuple[Check, ...]:
    """The lines that can be told from the records alone."""
    networks = {trial.network for run in group.runs for trial in run.trials}
    seeds = {trial.seed for run in group.runs for trial in run.trials if trial.seed is not None}
    controls = list(dict.fromkeys(run.method for run in group.runs if run.is_control))
    return (
        Check("several seeds", len(seeds) > 1, f"{count(len(seeds), 'seed')} known"),
        Check(f"at least {CLUSTERS} dense networks", len(networks) >= CLUSTERS, count(len(networks), "dense network")),
        Check(
            "a control that removes at random",
            bool(controls),
            ", ".join(controls) or "no method removes at random: whether the others beat chance is not known",
        ),
    )

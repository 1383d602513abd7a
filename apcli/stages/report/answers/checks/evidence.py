"""What the lines of the checklist look at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from apcli.checkpoints.promises import Settings
from apcli.records.divergence import DivergenceRecord
from apcli.stages.report.runs.experiment import Group, Report, Run
from apcli.stages.report.runs.labels import label_of
from apcli.stages.report.runs.making import Made, made_of
from apcli.stages.report.runs.trials import Trial

Found = tuple[bool, str]  # whether a line holds, and the reason


@dataclass(frozen=True, eq=False)
class Evidence:
    """A group of a report, and how its files were made."""

    report: Report
    group: Group

    @cached_property
    def made(self) -> tuple[Made, ...]:
        """The making of every trial."""
        return made_of(self.group)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """The trials of all runs."""
        return tuple(one.trial for one in self.made)

    @cached_property
    def methods(self) -> dict[str, list[Run]]:
        """The runs of each method that is known and does not remove at random."""
        found: dict[str, list[Run]] = {}
        for run in self.group.runs:
            method = label_of(run.trials[0], with_layers=False)
            if method is not None and not run.is_control:
                found.setdefault(method, []).append(run)
        return found

    @cached_property
    def records(self) -> list[DivergenceRecord]:
        """The group's divergence records."""
        group = self.group
        return [one for one in self.report.records if (one.model, one.data) == (group.model, group.data)]

    @cached_property
    def tuning(self) -> dict[str, list[Settings]]:
        """The settings of each fine-tuning, by run."""
        found: dict[str, list[Settings]] = {}
        for one in self.made:
            found.setdefault(one.run.name, []).extend(one.tuned)
        return found


def known(runs: Sequence[Run], has: Iterable[object]) -> str:
    """``known for 3 of 12 runs``: how many of ``has``, one for each run, are true."""
    return f"known for {sum(map(bool, has))} of {len(runs)} runs"

"""The checklist of an honest experiment: what a reader should know before trusting a group's numbers.

After Blalock et al. 2020, arXiv:2003.03033, and Liu et al. 2019, arXiv:1810.05270, on equal budgets.
"""

from collections.abc import Callable
from dataclasses import dataclass

from apcli.stages.report.answers.checks import controls, numbers, replicates, setup
from apcli.stages.report.answers.checks.evidence import Evidence, Found
from apcli.stages.report.runs.experiment import Group, Report
from apcli.words import in_one_line


@dataclass(frozen=True)
class Check:
    """One line of the checklist, with the reason why it passed or is open."""

    item: str
    passed: bool
    reason: str


CHECKS: tuple[tuple[str, Callable[[Evidence], Found]], ...] = (
    ("several seeds", replicates.seeds),
    (f"at least {replicates.CLUSTERS} dense networks", replicates.networks),
    ("mean and sample standard deviation of every point", replicates.spread),
    ("all methods start from the same dense files", setup.same_start),
    ("all methods are fine-tuned alike", setup.equal_budgets),
    ("random control, within the same scope as the method", controls.random_of_scope),
    ("random control, as many weights of each layer as the method", controls.random_same_layers),
    ("magnitude control", controls.magnitude),
    ("evaluated on test images", numbers.on_test_images),
    ("accuracy itself at each point, and of the unpruned network", numbers.raw_accuracy),
    ("accuracy before and after fine-tuning", numbers.before_and_after),
    ("top-1 and top-5 accuracy", numbers.five_best),
    ("compression and theoretical speed-up", numbers.costs),
    (f"at least {numbers.POINTS} sparsities, over a range where accuracy falls", numbers.operating_points),
    ("architecture and data are named", setup.named),
    (f"at least {setup.PAIRS} pairs of data set and architecture", setup.several_pairs),
    ("settings to repeat it", setup.repeatable),
    ("version and device", setup.versions),
    ("nothing usual is left unmeasured", numbers.evaluated),
)


def checklist(report: Report, group: Group) -> tuple[Check, ...]:
    """The lines of the checklist, from the records alone; none of a group without runs."""
    if not group.runs:
        return ()
    evidence = Evidence(report, group)
    found = ((item, look(evidence)) for item, look in CHECKS)
    return tuple(Check(item, passed, in_one_line(reason)) for item, (passed, reason) in found)

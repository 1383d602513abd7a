"""The answers of a report, each a question with its number, how sure that is, and where it comes from."""

from collections.abc import Callable
from dataclasses import replace

from apcli.stages.report.answers.accuracy import on_accuracy
from apcli.stages.report.answers.answer import Answer
from apcli.stages.report.answers.behaviour import on_behaviour
from apcli.stages.report.answers.gains import on_gains
from apcli.stages.report.answers.prediction import on_prediction
from apcli.stages.report.answers.theory.bounds import on_bounds
from apcli.stages.report.answers.theory.limit import on_limit
from apcli.stages.report.runs.experiment import Group, Report
from apcli.words import in_one_line

# In the order of the page; None where the records are not about the question.
ANSWERS: tuple[Callable[[Group], Answer | None], ...] = (
    on_accuracy,
    on_gains,
    on_prediction,
    on_behaviour,
    on_bounds,
    on_limit,
)


def answers(report: Report, group: Group) -> tuple[Answer, ...]:
    """The answers that the records of a group give; what they cannot answer is said too."""
    found = (answer(group) for answer in ANSWERS)
    return tuple(
        replace(one, sentence=in_one_line(one.sentence), sureness=in_one_line(one.sureness))
        for one in found
        if one is not None
    )

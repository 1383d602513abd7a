"""The answers of a report: at most four, each a question with its number, how sure that is, and where it comes from."""

from dataclasses import dataclass

from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Report, Run
from apcli.stages.report.runs.moments import FINAL, moment_name
from apcli.stages.report.words import bracketed, signed
from apcli.words import count


@dataclass(frozen=True)
class Answer:
    """One question that a reader comes with, answered.

    Attributes:
        sentence: the answer.
        number: what the sentence says, as one number to be shown large.
        sureness: how sure it is, in words.
        anchor: the section of the page that holds the evidence.
    """

    question: str
    sentence: str
    number: str
    sureness: str
    anchor: str


def answers(report: Report, group: Group) -> tuple[Answer, ...]:
    """The answers that a group's records give."""
    found = (_accuracy(group), _prediction(group))
    return tuple(answer for answer in found if answer is not None)


def _accuracy(group: Group) -> Answer | None:
    """The methods at the highest sparsity that several of them share."""
    runs = [run for run in group.runs if run.accuracy("pruned")]
    shared = [s for s in group.sparsities if len([run for run in runs if run.sparsity == s]) > 1]
    if not shared:
        return None
    known = [(_final(run), run) for run in runs if run.sparsity == shared[-1]]
    known.sort(key=lambda pair: -pair[0])
    best, others = known[0], known[1:]
    dense = accuracies.dense_accuracy([run for _, run in known])
    of = "" if dense is None else f" of {dense:.1f}"
    rest = ", ".join(f"{run.method} {value:.1f}" for value, run in others)
    sentence = f"At {shared[-1] * 100:g} %, {best[1].method} keeps {best[0]:.1f}{of} %, {rest}."
    fewest = min(len(run.trials) for _, run in known)
    sureness = f"each a mean of {count(fewest, 'file')} or more" if fewest > 1 else "one file each: spread unknown"
    return Answer("Which method keeps the accuracy?", sentence, f"{best[0]:.1f} %", sureness, "accuracy")


def _final(run: Run) -> float:
    value = run.accuracy("pruned")
    return 0.0 if value is None else value.mean


def _prediction(group: Group) -> Answer | None:
    """The divergence whose order of the runs is closest to that of PD."""
    agreements = comparisons_of(group).agreements
    known = [a for a in agreements if a.over == "all" and a.moment == FINAL and a.tau is not None]
    if not known:
        return None
    best = max(known, key=_tau)
    sentence = (
        f"{moment_name(group, FINAL).capitalize()}, {best.measure.label} orders {count(best.cells, 'run')} most like "
        f"PD in {best.target.words}: {best.agree} of {count(best.pairs, 'pair')} agree."
    )
    sureness = f"95 % interval {bracketed(best.interval)}" if best.interval else "no interval: too few dense networks"
    return Answer("Does a divergence predict the loss?", sentence, f"τ {signed(_tau(best))}", sureness, "order")


def _tau(agreement: Agreement) -> float:
    return agreement.tau or 0.0

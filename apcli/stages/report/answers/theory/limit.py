"""The answer to where the pruning limit is."""

from collections.abc import Sequence

from apcli.records.bound import PROVEN
from apcli.stages.report.answers.answer import Answer
from apcli.stages.report.comparisons.limits import limits_of
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.words import UNKNOWN, percent
from apcli.words import count

QUESTION, ANCHOR = "How many weights may go?", "limit"


def on_limit(group: Group) -> Answer | None:
    """The sparsity of one-shot pruning within eps, beside those that theories allow; None without such a record."""
    found = limits_of(group)
    if not found:
        return None
    measured: dict[str, list[float]] = {}
    predicted: dict[str, list[float]] = {}
    for one in found:
        for record in one.statements:
            if record.bound.statement in one.sparsities:
                shares = measured if record.bound.standing == PROVEN else predicted
                shares.setdefault(record.bound.statement, []).append(one.sparsities[record.bound.statement])
    rises = sorted(one.eps for one in found)
    rise = f"{rises[0]:.3g}" + (f" to {rises[-1]:.3g}" if len(set(rises)) > 1 else "")
    sentences = [f"So that the training loss rises by at most {rise} nats, {_listed(measured)} may go, as measured."]
    if predicted:
        sentences.append(f"Theories allow {_listed(predicted)}.")
    number = next(map(_range, measured.values()), UNKNOWN)
    return Answer(QUESTION, " ".join(sentences), number, f"{count(len(found), 'network')}.", ANCHOR)


def _listed(shares: dict[str, list[float]]) -> str:
    return ", ".join(f"{_range(each)} ({name})" for name, each in shares.items()) or "an unknown share of the weights"


def _range(shares: Sequence[float]) -> str:
    least, most = percent(min(shares)), percent(max(shares))
    return most if least == most else f"{least} to {most}"

"""The answer to whether the bounds held, and how far above the measurement they are."""

import math
from collections.abc import Sequence

from apcli.records.bound import BROKEN, ESTIMATE, NOT_CONTRADICTED, PD, PD_ACCURACY, PROVEN, PUBLISHED
from apcli.stages.report.answers.answer import Answer
from apcli.stages.report.comparisons.bounds import Statement, statements_of
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.words import UNKNOWN
from apcli.words import count, few

QUESTION, ANCHOR = "Do the bounds hold, and do they say anything?", "bounds"
_MEASURE = "The networks were not measured: give `apcli bounds` their --model and --data."
_PDS = {PD: "loss", PD_ACCURACY: "accuracy"}
_STANDINGS: dict[str, str] = {ESTIMATE: "estimated"}  # as an adjective
_FAR = 100.0  # from here on a ratio is given in orders of magnitude


def on_bounds(group: Group) -> Answer | None:
    """Which statements hold, and the tightest on the change of loss and of accuracy; None without a bound record."""
    stated = statements_of(group)
    if not stated:
        return None
    applied = [one for one in stated if one.applied]
    idle = len(stated) - len(applied)
    sentences = [_held(applied)]
    if idle:
        why = "vacuous, an assumption fails, or the bound is computed from the measurement"
        sentences.append(f"{count(idle, 'further statement')} never {_verb(idle)}: {why}.")
    sentences += _published(stated)
    number = UNKNOWN
    for quantity, words in _PDS.items():
        of_it = [one for one in applied if one.quantity == quantity and one.slack is not None]
        sure = [one for standing in (PROVEN, PUBLISHED) for one in _tightest(of_it, standing)]
        tightest = sure or _tightest(of_it, ESTIMATE)
        if tightest:
            none = "" if sure else "no proven or published bound applies; "
            sentences.append(f"On the change of {words}, {none}{'; '.join(map(_far, tightest))} (medians).")
            number = _times(tightest[0]) if number == UNKNOWN else number
    files = len({record.pruned.identity for record in group.bounds})
    sureness = f"{count(len(group.bounds), 'statement')} about {count(files, 'pruned file')}."
    return Answer(QUESTION, " ".join(sentences), number, sureness if applied else _MEASURE, ANCHOR)


def _held(applied: Sequence[Statement]) -> str:
    """How many statements hold, and which do not; what could not be checked is said."""
    if not applied:
        return "No bound could be compared with a measurement."
    broken = [one for one in applied if one.number(BROKEN)]
    unchecked = [one for one in applied if one.number(NOT_CONTRADICTED) and one not in broken]
    hold = len(applied) - len(broken) - len(unchecked)
    lead = f"Of {count(len(applied), 'statement')} that could be compared with a measurement,"
    every = "it holds" if len(applied) == 1 else "all hold"
    parts = [f"{hold} hold wherever they apply" if hold < len(applied) else every]
    if unchecked:
        verbs = "is not contradicted, but assumes" if len(unchecked) == 1 else "are not contradicted, but assume"
        parts.append(f"{len(unchecked)} {verbs} what could not be checked")
    if broken:
        named = few([f"{one.name} ({one.number(BROKEN)} of {len(one.applied)})" for one in broken])
        parts.append(f"broken: {named}")
    return f"{lead} {'; '.join(parts)}."


def _published(stated: Sequence[Statement]) -> list[str]:
    """In how many pruned files an assumption of each published statement on PD fails; none if they fail nowhere."""
    failing = [one.by_file for one in stated if one.of_pd and one.standing == PUBLISHED and one.failed]
    named = few([f"{one.name} ({len(one.failed)} of {len(one.records)})" for one in failing])
    return [f"An assumption of these published bounds on PD fails, by pruned files: {named}."] if failing else []


def _verb(number: int) -> str:
    return "applies" if number == 1 else "apply"


def _tightest(stated: Sequence[Statement], standing: str) -> list[Statement]:
    """The statement of this standing whose bound is nearest to the measurement, of those that are never broken."""
    known = [one for one in stated if one.standing == standing and not one.number(BROKEN)]
    return sorted(known, key=lambda one: one.slack or 0.0)[:1]


def _far(one: Statement) -> str:
    standing = _STANDINGS.get(one.standing, one.standing)
    return f"the tightest {standing} bound ({one.name}) is {_times(one)} what was measured"


def _times(one: Statement) -> str:
    """The median ratio: 11.3 times, or 2.2 orders of magnitude above."""
    slack = one.slack or 1.0
    return f"{slack:.3g} ×" if slack < _FAR else f"{math.log10(slack):.1f} orders of magnitude above"

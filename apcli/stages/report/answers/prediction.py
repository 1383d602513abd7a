"""The answer to whether a divergence predicts the loss: among networks just pruned, and through fine-tuning."""

import math
from collections.abc import Iterator, Sequence

from apcli.stages.report.answers import pairs
from apcli.stages.report.answers.answer import MEASURE_IT, Answer
from apcli.stages.report.comparisons.agreement import Agreement, Over
from apcli.stages.report.comparisons.over_epochs import WithinNetworks
from apcli.stages.report.comparisons.ranking import LOWER, UNKNOWN, UNRESOLVED, MeasureRanking, RankingPlace
from apcli.stages.report.comparisons.summary import Comparisons, comparisons_of
from apcli.stages.report.comparisons.witnesses import listed, one_witness
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED, Moment, moment_name
from apcli.stages.report.runs.quantities import PD_LOSS, ApMeasure, Quantity
from apcli.stages.report.words import UNKNOWN as NO_NUMBER
from apcli.stages.report.words import beside, signed
from apcli.theory.statistics import clusters
from apcli.words import count, join

QUESTION, ANCHOR = "Does a divergence predict the loss?", "order"
CLOSE, LOOSE = 0.7, 0.3  # the least τ of what follows PD closely, and loosely
FEW = 4  # runs at one sparsity: so many random orders are few
_NAME = "rank agreement (Kendall’s τ)"
_MIXED, _REVERSED = "not consistent between networks", "the other way round"
_WAYS = {"follows": None, "against": _REVERSED, "neither": "neither way"}  # None: by how closely


def on_prediction(group: Group) -> Answer | None:
    """How far the measures follow PD: over the runs just pruned and fine-tuned, and over the epochs of one network.

    None without runs.
    """
    if not group.runs:
        return None
    compared = comparisons_of(group)
    known = {a.target for a in compared.agreements if a.over == "all" and a.tau is not None}
    known |= {one.target for one in compared.within_networks}
    target = next((pd for pd in PD_LOSS if pd in known), None)
    if target is None:
        why, remedy = _why_not(group)
        return Answer(QUESTION, f"Not known: {why}.", NO_NUMBER, remedy, ANCHOR)
    moments = [moment for moment in (JUST_PRUNED, FINAL) if _overall(compared, target, moment)]
    within = sorted((one for one in compared.within_networks if one.target == target), key=_follows_most)
    clauses = [_in_short(group, compared, target, moment) for moment in moments]
    clauses += [_in_short_within(within)] if within else []
    sentences = [f"By {_NAME} with the {target.spoken} (PD): {'; '.join(clauses)}."]
    sentences += [_across(group, compared, target, moment) for moment in moments]
    if moments:
        there = [a for a in compared.agreements if (a.target, a.moment) == (target, moments[0])]
        sentences.insert(2, pairs.at_the_sparsest(there))
    sentences.insert(1, _improved(group, compared, target))
    sentences += [_within(within), one_witness(group.measures)]
    best = _best(compared, target, moments[0]) if moments else None
    sentence, sureness = " ".join(filter(None, sentences)), _sureness(best, compared, within)
    return Answer(QUESTION, sentence, _number(best, within), sureness, ANCHOR)


def _number(best: Agreement | None, within: Sequence[WithinNetworks]) -> str:
    if best is None:
        return f"τ {signed(within[0].mean)}"
    return NO_NUMBER if pairs.are_few(best) else f"τ {signed(best.tau or 0.0)}"


def _why_not(group: Group) -> tuple[str, str]:
    """Why nothing can be compared, and what to do about it."""
    if len(group.runs) < 2:
        return "there is one run, and an order needs two", "Prune by another method, or at another sparsity."
    if not any(run.final(pd.key) for run in group.runs for pd in PD_LOSS):
        return "no loss difference (PD) is recorded for these files", MEASURE_IT
    lacking = "no dense network has two runs whose divergences and loss differences (PD) are known, and differ"
    return lacking, "Prune one dense network by several methods, or at several sparsities."


def _overall(compared: Comparisons, target: Quantity, moment: Moment) -> list[Agreement]:
    about = (a for a in compared.agreements if (a.target, a.moment, a.over) == (target, moment, "all"))
    return [a for a in about if a.tau is not None]


def _ranking(compared: Comparisons, target: Quantity, moment: Moment) -> MeasureRanking | None:
    return next((one for one in compared.rankings if (one.target, one.moment) == (target, moment)), None)


def _best(compared: Comparisons, target: Quantity, moment: Moment) -> Agreement:
    ranking = _ranking(compared, target, moment)
    return ranking.best.agreement if ranking else _overall(compared, target, moment)[0]


def _in_short(group: Group, compared: Comparisons, target: Quantity, moment: Moment) -> str:
    """A clause on the best measure at a moment: how closely it follows PD over the runs of each dense network."""
    best, when = _best(compared, target, moment), moment_name(group, moment)
    if pairs.are_few(best):
        return f"too few runs to say {when}"
    return f"{_grade(best)} {when}, {best.words} ({listed(_best_measures(compared, target, moment))})"


def _in_short_within(within: Sequence[WithinNetworks]) -> str:
    """The same clause over the epochs of one pruned network; the first of ``within``."""
    grade, mean = _WAYS[_direction(within[0])], within[0].mean
    grade = ("closely" if mean > CLOSE else "loosely") if grade is None else grade
    alike = [one for one in within if one.mean == mean]
    return f"{grade} over the epochs of one pruned network, {_means(alike)} ({listed([one.measure for one in alike])})"


def _across(group: Group, compared: Comparisons, target: Quantity, moment: Moment) -> str:
    """A sentence on the other measures at a moment, and on the pairs of runs at one sparsity."""
    best, name = _best(compared, target, moment), moment_name(group, moment)
    when = f"{name[0].upper()}{name[1:]}"
    if pairs.are_few(best):
        return f"{when}, pairs of runs in the order of PD: {pairs.counted(_overall(compared, target, moment))}."
    fixed = _same_sparsity(compared, best)
    of_one = [f"the best at one sparsity, {pairs.in_words(fixed)}"] if fixed and fixed.tau is not None else []
    among = f"among {count(best.cells, 'run')}{pairs.at_chance(best)}"
    parts = [among, *_others(_ranking(compared, target, moment)), *of_one]
    return f"{when}: {'; '.join(parts)}."


def _improved(group: Group, compared: Comparisons, target: Quantity) -> str:
    """A sentence on how many runs improved, which PD does not tell from runs that lost; empty if none did."""
    made = [one for one in compared.improved if one.target == target]
    counts = [f"{len(one.runs)} of {one.of} {moment_name(group, one.moment)}" for one in made]
    if not counts:
        return ""
    beside_it = "in the evidence, τ with the signed change of loss stands beside it"
    return f"PD has no sign and counts runs that improved as loss ({join(counts)}): {beside_it}."


def _best_measures(compared: Comparisons, target: Quantity, moment: Moment) -> Sequence[ApMeasure]:
    ranking = _ranking(compared, target, moment)
    return ranking.best.measures if ranking else [a.measure for a in _overall(compared, target, moment)]


def _grade(best: Agreement) -> str:
    low, high = best.range or (0.0, 0.0)
    if low < 0 < high:
        return _MIXED
    tau = best.tau or 0.0
    if tau > LOOSE:
        return "closely" if tau > CLOSE else "loosely"
    return "hardly" if tau > -LOOSE else _REVERSED


def _same_sparsity(compared: Comparisons, best: Agreement) -> Agreement | None:
    over: Over = "same sparsity"
    return next((a for a in compared.agreements if a.over == over and a.about == best.about), None)


def _others(ranking: MeasureRanking | None) -> Iterator[str]:
    """Clauses on the measures that are not the best, by whether that is more than chance."""
    for verdict, words in ((UNRESOLVED, "not distinguishable from the best:"), (LOWER, "lower:"), (UNKNOWN, "then")):
        places = [place for place in ranking.places[1:] if place.verdict == verdict] if ranking else []
        measures = [measure for place in places for measure in place.measures]
        if measures:
            yield f"{words} {listed(measures)}, {_taus(places)}"


def _taus(places: Sequence[RankingPlace]) -> str:
    return _range([place.agreement.tau or 0.0 for place in places])


def _range(values: Sequence[float]) -> str:
    low, high = signed(min(values)), signed(max(values))
    return low if low == high else f"{low} to {high}"


def _within(within: Sequence[WithinNetworks]) -> str:
    """A sentence on the measures that go another way than the first over the epochs; empty if none does."""
    clauses = []
    for way, words in _WAYS.items():
        members = [one for one in within if _direction(one) == way and one.mean != within[0].mean]
        if members:
            named = listed([one.measure for one in members])
            clauses.append(f"{named} {words or 'as PD does'}, {_means(members)}")
    return f"Over the epochs of one pruned network, too: {'; '.join(clauses)}." if clauses else ""


def _follows_most(one: WithinNetworks) -> tuple[bool, float]:
    """A sort key: what follows PD first, and of these the largest mean."""
    return _direction(one) != "follows", -abs(one.mean)


def _direction(one: WithinNetworks) -> str:
    """Whether a measure follows PD or runs against it; by its mean alone if there is no interval."""
    low, high = one.interval or (one.mean - LOOSE, one.mean + LOOSE)
    return "follows" if low > 0 else "against" if high < 0 else "neither"


def _means(members: Sequence[WithinNetworks]) -> str:
    text = _range([one.mean for one in members])
    first = members[0]
    if any(one.mean != first.mean for one in members):
        return text
    if first.interval:
        return beside(text, first.interval, first.networks)
    return f"{text} (single ones {_range(first.taus)})" if first.low < first.high else text


def _sureness(best: Agreement | None, compared: Comparisons, within: Sequence[WithinNetworks]) -> str:
    number, interval = (len(best.networks), best.interval) if best else (within[0].networks, within[0].interval)
    networks = count(number, "dense network")
    if interval:
        parts = [f"95 % intervals, from {networks} resampled with all of their runs"]
    else:
        parts = [f"No interval: {networks}, and it needs {clusters.LEAST}"]
    if best and pairs.are_few(best):
        parts.insert(0, f"It takes {pairs.RUNS} runs of one dense network ({pairs.LEAST} pairs) to say")
    if within:
        low, high = within[0].epochs
        steps = f"{high}" if low == high else f"{low} to {high}"
        parts.append(f"Through fine-tuning: {count(within[0].n, 'pruned network')} at {steps} epochs, from 0 on")
    fixed = [a.cells for a in compared.agreements if best and a.over == "sparsity" and a.about == best.about]
    if fixed and min(fixed) <= FEW:
        chance = f"one random order in {math.factorial(min(fixed))} agrees fully"
        parts.append(f"Of {count(min(fixed), 'run')} at one sparsity, {chance}")
    return ". ".join(parts) + "."

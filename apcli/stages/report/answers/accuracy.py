"""The answer to the first question: which method keeps the accuracy, at which sparsity, and by how much."""

from collections.abc import Sequence

from apcli.criteria import FILTER_METHODS, METHODS
from apcli.stages.report.answers.answer import MEASURE_IT, Answer
from apcli.stages.report.answers.chance import chance_level, is_chance
from apcli.stages.report.answers.contests import Contest, Rival, asked, contests
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import FINAL
from apcli.stages.report.words import UNKNOWN, interval_of, points
from apcli.words import count, few, join

QUESTION, ANCHOR = "Which method keeps the accuracy?", "accuracy"
NAMED = 3  # other methods that are named
_SMALL = 0.001  # a p that is said to be below


def on_accuracy(group: Group) -> Answer | None:
    """Which method keeps the accuracy at the highest sparsity that several share, and at the others.

    None without runs.
    """
    if not group.runs:
        return None
    held = contests(group)
    if not held:
        missing = "Not known: the records hold no test accuracy of the pruned networks."
        return Answer(QUESTION, missing, UNKNOWN, MEASURE_IT, ANCHOR)
    first = held[0]
    sparser = [one for one in held[1:] if one.layers == first.layers]
    parts = {one.layers: one for one in reversed(held) if one.layers != first.layers}
    sentences = [_sentence(first), _elsewhere(first, sparser), *map(_of_part, parts.values())]
    sentence = " ".join(filter(None, sentences))
    return Answer(QUESTION, sentence, f"{first.estimate.mean:.1f} %", _sureness(group, first), ANCHOR)


def _sentence(held: Contest) -> str:
    dense = accuracies.dense_accuracy([held.best])
    own = round(held.estimate.mean, 1)
    at = f"At {asked(held.best)}, " if held.sparsity is not None else ""
    when = " after fine-tuning" if "before" in accuracies.states([held.best]) else ""
    who = f"{at}{held.best.method}{_which(held.best)}"
    if dense is None:
        keeps = f"{who} has {own:.1f} % test accuracy{when}."
    elif own > round(dense, 1):
        other = "the dense network" if len(held.best.networks) == 1 else "the dense networks"
        keeps = f"{who} has {own:.1f} % test accuracy{when}, {other} {dense:.1f} %."
    else:
        keeps = f"{who} keeps {own:.1f} of {dense:.1f} % test accuracy{when}."
    return " ".join(filter(None, [keeps, _behind(held), _of_chance(held)]))


def _behind(held: Contest) -> str:
    level = held.of("not distinguishable")
    rivals = [f"{rival.run.method} {rival.accuracy:.1f} %{' (not distinguishable)' if rival in level else ''}"
              for rival in held.rivals]  # fmt: skip
    return f"Behind it: {few(rivals, NAMED + 1)}." if rivals else ""


def _of_chance(held: Contest) -> str:
    """A sentence on the methods of a contest whose accuracy is about that of guessing; empty if there is none."""
    level = chance_level([held.best, *(rival.run for rival in held.rivals)])
    means = {held.best.method: held.estimate.mean} | {rival.run.method: rival.accuracy for rival in held.rivals}
    at = [method for method, mean in means.items() if is_chance(mean, level)]
    if level is None or not at:
        return ""
    if len(at) == 1:
        return f"{at[0]} is at chance level ({level:.3g} %)."
    who = "All" if len(at) == len(means) else join(at)
    return f"{who} are at chance level ({level:.3g} %): their order is noise."


def _which(run: Run) -> str:
    """What a method of the tables does, for a reader who sees its name for the first time."""
    name = (run.trials[0].method or "").partition(":")[0]
    table = FILTER_METHODS if run.trials[0].of_channels else METHODS
    row = table.get(name)
    return f", which {row.summary}," if row and row.summary.startswith("removes ") else ""


def _elsewhere(first: Contest, others: Sequence[Contest]) -> str:
    """A sentence on the other sparsities, those with the same result together."""
    alike: dict[tuple[str, str], list[Run]] = {}
    for held in others:
        alike.setdefault((held.best.method, _standing(held)), []).append(held.best)
    clauses = []
    for (best, standing), runs in sorted(alike.items(), key=lambda item: item[0][0] != first.best.method):
        who = "it" if best == first.best.method else best
        clauses.append(f"at {_listed(runs[::-1])} {who} {standing}")
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _listed(runs: Sequence[Run]) -> str:
    """``10 and 30 %``; what was asked for beside each share that differs from it."""
    if all(run.sparsity == run.requested for run in runs):
        return f"{join([f'{100 * (run.sparsity or 0.0):.3g}' for run in runs])} %"
    return join([asked(run) for run in runs])


def _of_part(held: Contest) -> str:
    """A sentence on another part of the network, at the highest sparsity."""
    what = few(held.layers) if len(held.layers) < NAMED else count(len(held.layers), "layer")
    at = "" if held.sparsity is None else f" at {_listed([held.best])}"
    lead = f" ({held.estimate.mean:.1f} %)" if held.rivals else ""
    verb = "was" if len(held.layers) == 1 else "were"
    return f"Where {what} alone {verb} pruned,{at} {held.best.method}{lead} {_standing(held)}."


def _standing(held: Contest) -> str:
    """How the best run of a sparsity stands to its rivals."""
    if not held.rivals:
        return f"has {held.estimate.mean:.1f} %"
    level = chance_level([held.best])
    if is_chance(held.estimate.mean, level):
        return f"is no better than chance ({level:.3g} %), as are the others"
    if len(held.of("better")) == len(held.rivals):
        return "is better than the others"
    near = [rival.run.method for rival in held.of("not distinguishable")]
    return "has the highest mean" + (f", not distinguishable from {few(near)}" if near else "")


def _sureness(group: Group, held: Contest) -> str:
    n, unit = held.estimate.n, held.estimate.unit
    if n == 1:
        alone = "One dense network, one seed: no interval"
        return f"{alone}, and differences cannot be told from chance." if held.rivals else f"{alone}."
    of = f"Mean of {count(n, unit)}{' of one dense network' if unit == 'seed' else ''}"
    few_pairs = ", too few to tell methods apart" if held.of("too few") else ""
    parts = [of + interval_of(_possible(held.estimate.interval), ", 95 % interval ") + few_pairs]
    level, better = held.of("not distinguishable"), held.of("better")
    family = sum(one.moment == FINAL and one.p is not None for one in comparisons_of(group).methods)
    if level or better:
        found = [_apart("not distinguishable from", level), _apart("better than", better)]
        listed = "; ".join(words for words in found if words)
        parts.append(f"Paired t tests, adjusted for {count(family, 'comparison')} (Holm): {listed}")
    if level and level[0].detectable is not None:
        least = points(level[0].detectable)
        parts.append(f"Without the adjustment, {count(n, 'pair')} find a difference from about {least} on")
    if unpaired := [rival.run.method for rival in held.of("unpaired")]:
        parts.append(f"Not compared, because of other dense networks or seeds: {few(unpaired)}")
    return ". ".join(parts) + "."


def _possible(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """The part of an interval of accuracies that accuracies can take: Student's t knows no bounds."""
    return None if interval is None else (max(0.0, interval[0]), min(100.0, interval[1]))


def _apart(words: str, rivals: Sequence[Rival]) -> str:
    listed = [f"{rival.run.method} ({rival.difference}, p {_p(rival.p)})" for rival in rivals]
    return f"{words} {few(listed, NAMED + 1)}" if rivals else ""


def _p(p: float | None) -> str:
    if p is None:
        return "unknown"
    return "< 0.001" if p < _SMALL else f"= {p:.2g}"

"""The verdict on AP and PD in sentences: the orders that agree, and the limits of the numbers."""

import math
from collections.abc import Iterable, Sequence

from apcli.projections.caveats import NOT_PROVEN, of_projection
from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.comparisons.broken_pairs import BrokenPair
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.runs.moments import moment_name, moments
from apcli.stages.report.runs.quantities import PD_LOSS
from apcli.theory.statistics import clusters
from apcli.words import MANY, count, few, join

CLOSE, LOOSE = 0.7, 0.3
FEW = 4


def verdict(group: Group, agreements: Sequence[Agreement]) -> list[str]:
    """Sentences on whether the order of AP follows the order of PD, and on the pairs that break it."""
    if len(group.runs) < 2:
        return ["There is one run here; an order needs at least two, so AP and PD are shown without a verdict."]
    if not any(run.final(target.key) for run in group.runs for target in PD_LOSS):
        return [
            "No performance difference (PD) is known for these files, so the order of AP cannot be compared with it."
        ]
    if not agreements:
        return ["Fewer than two runs have both AP and PD, so their orders cannot be compared."]
    sentences = []
    for moment in moments(group):
        there = [a for a in agreements if a.moment == moment]
        sentences += _overall(group, moment_name(group, moment), [a for a in there if a.over == "all"])
        sentences += _fixed(moment_name(group, moment), [a for a in there if a.over == "sparsity"])
    return sentences + _cautions(agreements)


def caveats(groups: Iterable[Group]) -> list[str]:
    """The limits of the numbers, whatever their values."""
    measures = {measure.key: measure for group in groups for measure in group.measures}.values()
    labelled: dict[str, list[str]] = {}
    for measure in measures:
        for words in of_projection(measure.dist, measure.params):
            labelled.setdefault(words, []).append(measure.label)
    named = {words: list(dict.fromkeys(labels)) for words, labels in labelled.items()}
    lines = [f"{join(names)}{': each' if len(names) > 1 else ''} {words}" for words, names in named.items()]
    return [*lines, NOT_PROVEN]


def _alike(agreements: Sequence[Agreement]) -> list[tuple[list[str], Agreement]]:
    """Merge equal agreements: the names of their measures, and one of them."""
    same: dict[tuple[object, ...], list[Agreement]] = {}
    for a in agreements:
        same.setdefault((a.sparsity, a.words, a.agree, a.tied, tuple(p.names for p in a.broken)), []).append(a)
    return [([a.measure.label for a in members], members[0]) for members in same.values()]


def _overall(group: Group, when: str, agreements: Sequence[Agreement]) -> list[str]:
    """Sentences on all runs together; PDs with the same result share one."""
    sentences: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for target in dict.fromkeys(a.target for a in agreements):
        members = [a for a in agreements if a.target == target]
        made = [count(len(group.methods), "method"), count(len(group.sparsities), "sparsity")]
        runs = f"{count(max(a.cells for a in members), 'run')} ({', '.join(made)})"
        parts = tuple(_extremes(_alike(members)))
        sentences.setdefault((runs, parts), []).append(target.words)
    start = when[0].upper() + when[1:]
    return [
        f"{start}, over {runs} and compared with the order of PD in {join(targets)}, {'; '.join(parts)}."
        for (runs, parts), targets in sentences.items()
    ]


def _extremes(alike: Sequence[tuple[list[str], Agreement]]) -> list[str]:
    """A clause for every measure or, if there are many, for those that follow PD best and worst."""
    known = sorted((each for each in alike if each[1].tau is not None), key=lambda each: -(each[1].tau or 0.0))
    rest = [name for names, _ in known[1:-1] for name in names]
    if len(rest) <= 2:
        return [_follows(names, a) for names, a in alike]
    unknown = [each for each in alike if each[1].tau is None]
    between = f"{count(len(rest), 'measure')} stand between"
    return [*(_follows(names, a) for names, a in (known[0], known[-1], *unknown)), between]


def _follows(names: Sequence[str], a: Agreement) -> str:
    if a.tau is None:
        return f"{few(names)} cannot be compared, because all values are equal"
    broken = f"{a.breaks} break it" if a.breaks > 1 else "1 breaks it" if a.breaks else "none breaks it"
    tied = f", {a.tied} tied" if a.tied else ""
    counts = f"{a.agree} of {count(a.pairs, 'pair')} agree, {broken}{tied}"
    return f"{few(names)} {_word(a.tau, a.breaks, len(names))} (Kendall’s τ = {a.words}; {counts})"


def _fixed(when: str, agreements: Sequence[Agreement]) -> list[str]:
    """Sentences on the methods at each sparsity; PDs with the same result share one."""
    sentences: dict[tuple[str, ...], list[str]] = {}
    for target in dict.fromkeys(a.target for a in agreements):
        same: dict[str, list[str]] = {}
        for measure in dict.fromkeys(a.measure.label for a in agreements):
            members = [a for a in agreements if a.target == target and a.measure.label == measure]
            if members:
                same.setdefault(_sparsities(members), []).append(measure)
        parts = [
            f"{join(names)} {'orders' if len(names) == 1 else 'order'} them as PD does {t}" for t, names in same.items()
        ]
        if len({a.measure for a in agreements}) > MANY:
            parts = [f"the order of PD is kept {_kept([a for a in agreements if a.target == target])}"]
        sentences.setdefault(tuple(parts), []).append(target.words)
    return [
        f"Among methods at one sparsity, {when} and in {join(targets)}, {'; '.join(parts)}."
        for parts, targets in sentences.items()
    ]


def _kept(agreements: Sequence[Agreement]) -> str:
    """The number of sparsities at which each measure orders the methods as PD does, the largest first."""
    by_measure: dict[str, list[Agreement]] = {}
    for a in agreements:
        by_measure.setdefault(a.measure.label, []).append(a)
    counts: dict[tuple[int, int], list[str]] = {}
    for label, members in by_measure.items():
        counts.setdefault((sum(a.agree == a.pairs for a in members), len(members)), []).append(label)
    ordered = sorted(counts.items(), key=lambda item: -item[0][0])
    return ", ".join(f"at {kept} of {of} sparsities by {few(labels)}" for (kept, of), labels in ordered)


def _sparsities(members: Sequence[Agreement]) -> str:
    kept = [f"{a.sparsity:g}" for a in members if a.agree == a.pairs]
    broken = [f"at {a.sparsity:g} by {few([_short(pair) for pair in a.broken])}" for a in members if a.broken]
    tied = [f"{a.sparsity:g}" for a in members if a.tied]
    which = f" ({join(kept)})" if 0 < len(kept) < len(members) else ""
    text = f"at {len(kept)} of {len(members)} sparsities{which}"
    text += f", broken {', '.join(broken)}" if broken else ""
    return text + (f", with ties at {join(tied)}" if tied else "")


def _cautions(agreements: Sequence[Agreement]) -> list[str]:
    lines = []
    fixed = [a.cells for a in agreements if a.over == "sparsity"]
    if any(a.over == "all" for a in agreements) and fixed:
        lines.append(
            "Agreement over all runs comes partly from sparsity alone, which raises AP and PD together; "
            "the comparison at one sparsity is what a claim about methods rests on."
        )
    if any(a.interval for a in agreements):
        lines.append(
            f"[a, b] after τ is its 95 % bootstrap interval ({clusters.RESAMPLES} resamples of the dense networks, "
            "each with all of its runs): how far τ depends on which dense networks are there. It has no width where no "
            "pair is out of order."
        )
    fewest_networks = min(len(a.networks) for a in agreements)
    if fewest_networks < clusters.LEAST:
        lines.append(
            f"No interval: runs of {count(fewest_networks, 'dense network')}; an interval of τ needs "
            f"{clusters.LEAST}, because runs of one network are not independent."
        )
    fewest = min(fixed or [a.cells for a in agreements])
    if fewest <= FEW:
        chance = f"one random order in {math.factorial(fewest)} agrees completely"
        lines.append(f"The sample is small: with {fewest} runs to a comparison, {chance}, so each is weak evidence.")
    return lines


def _word(tau: float, broken: int, measures: int) -> str:
    verb = "follows" if measures == 1 else "follow"
    if tau > 0 and not broken:
        return f"{verb} it without exception"
    words = ((CLOSE, f"{verb} it closely"), (LOOSE, f"{verb} it loosely"), (-LOOSE, f"hardly {verb} it"))
    return next(
        (word for least, word in words if tau > least), "runs against it" if measures == 1 else "run against it"
    )


def _short(pair: BrokenPair) -> str:
    return " / ".join(cell.name.rsplit(" at ", 1)[0] for cell in (pair.low, pair.high))

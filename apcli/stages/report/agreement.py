"""Does the order of AP follow the order of PD? Kendall's tau-b, the pairs that break it, and both in words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from apcli.projections.caveats import NOT_PROVEN, of_projection
from apcli.stages.report.experiment import Group, Run, Stat
from apcli.stages.report.quantities import PD_LOSS, ApMeasure, Quantity
from apcli.theory.statistics import kendall
from apcli.words import MANY, count, few, join

FINAL = "final"
JUST_PRUNED = "just pruned"
CLOSE, LOOSE = 0.7, 0.3
FEW = 4


@dataclass(frozen=True)
class Cell:
    """One run's mean AP and mean PD at one moment."""

    name: str
    ap: Stat
    pd: Stat


@dataclass(frozen=True)
class Pair:
    """Two cells that AP and PD order oppositely: ``low`` has the smaller AP and the larger PD."""

    low: Cell
    high: Cell

    @property
    def names(self) -> str:
        return f"{self.low.name} / {self.high.name}"

    @property
    def within_spread(self) -> bool | None:
        """Whether the two PDs differ by no more than their joint sd over seeds; None where no sd is known."""
        if self.low.pd.sd is None or self.high.pd.sd is None:
            return None
        return abs(self.low.pd.mean - self.high.pd.mean) <= math.hypot(self.low.pd.sd, self.high.pd.sd)


@dataclass(frozen=True)
class Agreement:
    """How far one AP measure and one PD order the same cells alike, over all sparsities (None) or at one.

    ``interval`` is tau's bootstrap interval over the cells (95 %, percentile); None for fewer than ``kendall.LEAST``.
    """

    measure: ApMeasure
    target: Quantity
    moment: str
    sparsity: float | None
    compared: tuple[Cell, ...]
    tau: float | None
    interval: tuple[float, float] | None
    agree: int
    tied: int
    broken: tuple[Pair, ...]

    @property
    def cells(self) -> int:
        return len(self.compared)

    @property
    def about(self) -> tuple[str, ApMeasure, Quantity]:
        """What is set against what, and when; not over which runs."""
        return self.moment, self.measure, self.target

    @property
    def words(self) -> str:
        """tau with its interval, for people."""
        return "unknown" if self.tau is None else " ".join(filter(None, [signed(self.tau), bracketed(self.interval)]))

    @property
    def pairs(self) -> int:
        return math.comb(self.cells, 2)


def agreements(group: Group) -> list[Agreement]:
    """Every AP measure against PD's test and train loss, just pruned (epoch 0) and final.

    Over all runs, and over the runs at each sparsity where there are several. Runs whose AP or PD is not known at that
    moment are left out; a comparison of fewer than two is not listed.
    """
    subsets: list[tuple[float | None, Sequence[Run]]] = [(None, group.runs)]
    subsets += [(s, [run for run in group.runs if run.sparsity == s]) for s in group.sparsities]
    subsets = [(s, runs) for s, runs in subsets if s is None or len(runs) < len(group.runs)]
    found = []
    for moment in moments(group):
        for target in PD_LOSS:
            for sparsity, runs in subsets:
                for measure in group.measures:
                    cells = _cells(runs, measure, target, moment)
                    if len(cells) > 1:
                        found.append(agreement(cells, measure, target, moment, sparsity))
    return found


def agreement(
    cells: Sequence[Cell], measure: ApMeasure, target: Quantity, moment: str = FINAL, sparsity: float | None = None
) -> Agreement:
    """Kendall's tau-b between the cells' AP and PD (None where either is constant), and the pairs behind it."""
    aps, pds = [c.ap.mean for c in cells], [c.pd.mean for c in cells]
    interval = kendall.interval(kendall.bootstrap(aps, pds)) if len(cells) >= kendall.LEAST else None
    agree, tied, broken = 0, 0, []
    for first, second in combinations(cells, 2):
        sign = _sign(first.ap.mean - second.ap.mean) * _sign(first.pd.mean - second.pd.mean)
        agree += sign > 0
        tied += sign == 0
        if sign < 0:
            broken.append(Pair(first, second) if first.ap.mean < second.ap.mean else Pair(second, first))
    tau = kendall.tau_b(aps, pds)
    return Agreement(measure, target, moment, sparsity, tuple(cells), tau, interval, agree, tied, tuple(broken))


def moments(group: Group) -> tuple[str, ...]:
    """The moments to compare at: the one before fine-tuning is another one only where an epoch follows it."""
    followed = any((run.epochs or [0])[-1] > 0 for run in group.runs)
    return (FINAL, JUST_PRUNED) if followed else (FINAL,)


def moment_name(group: Group, moment: str) -> str:
    """What a moment is called for people."""
    if moment == JUST_PRUNED:
        return "right after pruning"
    tuned = any((run.epochs or [0])[-1] > 0 or run.accuracy("before") != run.accuracy("pruned") for run in group.runs)
    return "after fine-tuning" if tuned else "in the files as they stand"


def verdict(group: Group, found: Sequence[Agreement]) -> list[str]:
    """Plain sentences: whether the order of AP follows the order of PD, and which pairs break it."""
    if len(group.runs) < 2:
        return ["There is one run here; an order needs at least two, so AP and PD are shown without a verdict."]
    if not any(run.final(target.key) for run in group.runs for target in PD_LOSS):
        return ["No performance difference (PD) is known for these files, so the order of AP cannot be set against it."]
    if not found:
        return ["Fewer than two runs have both AP and PD, so their orders cannot be compared."]
    sentences = []
    for moment in moments(group):
        there = [a for a in found if a.moment == moment]
        sentences += _overall(group, moment_name(group, moment), [a for a in there if a.sparsity is None])
        sentences += _fixed(moment_name(group, moment), [a for a in there if a.sparsity is not None])
    return sentences + _cautions(found)


def caveats(groups: Iterable[Group]) -> list[str]:
    """What the numbers cannot show, whatever they are."""
    measures = {measure.key: measure for group in groups for measure in group.measures}.values()
    said: dict[str, list[str]] = {}
    for measure in measures:
        for words in of_projection(measure.dist, measure.params):
            said.setdefault(words, []).append(measure.label)
    named = {words: list(dict.fromkeys(labels)) for words, labels in said.items()}
    lines = [f"{join(names)}{': each' if len(names) > 1 else ''} {words}" for words, names in named.items()]
    return [*lines, NOT_PROVEN]


def _cells(runs: Sequence[Run], measure: ApMeasure, target: Quantity, moment: str) -> list[Cell]:
    cells = []
    for run in runs:
        ap, pd = (run.final(q.key) if moment == FINAL else run.at(q.key, 0) for q in (measure, target))
        if ap and pd:
            cells.append(Cell(run.name, ap, pd))
    return cells


def _alike(found: Sequence[Agreement]) -> list[tuple[list[str], Agreement]]:
    """Agreements that say the same, under their measures' names."""
    same: dict[tuple[object, ...], list[Agreement]] = {}
    for a in found:
        same.setdefault((a.sparsity, a.tau, a.agree, a.tied, tuple(p.names for p in a.broken)), []).append(a)
    return [([a.measure.label for a in members], members[0]) for members in same.values()]


def _overall(group: Group, when: str, found: Sequence[Agreement]) -> list[str]:
    """A sentence for all runs together; PDs of which the same can be said share it."""
    sentences: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for target in dict.fromkeys(a.target for a in found):
        members = [a for a in found if a.target == target]
        made = [count(len(group.methods), "method"), count(len(group.sparsities), "sparsity")]
        runs = f"{count(max(a.cells for a in members), 'run')} ({', '.join(made)})"
        parts = tuple(_extremes(_alike(members)))
        sentences.setdefault((runs, parts), []).append(target.words)
    start = when[0].upper() + when[1:]
    return [
        f"{start}, over {runs} and set against the order of PD in {join(targets)}, {'; '.join(parts)}."
        for (runs, parts), targets in sentences.items()
    ]


def _extremes(alike: Sequence[tuple[list[str], Agreement]]) -> list[str]:
    """All orders of AP; of many measures those that follow PD's best and least."""
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
    broken = f"{len(a.broken)} break it" if len(a.broken) > 1 else "1 breaks it" if a.broken else "none breaks it"
    tied = f", {a.tied} tied" if a.tied else ""
    counts = f"{a.agree} of {count(a.pairs, 'pair')} agree, {broken}{tied}"
    return f"{few(names)} {_word(a.tau, len(a.broken), len(names))} (Kendall’s τ = {a.words}; {counts})"


def _fixed(when: str, found: Sequence[Agreement]) -> list[str]:
    """A sentence for the methods at each sparsity; PDs of which the same can be said share it."""
    sentences: dict[tuple[str, ...], list[str]] = {}
    for target in dict.fromkeys(a.target for a in found):
        same: dict[str, list[str]] = {}
        for measure in dict.fromkeys(a.measure.label for a in found):
            members = [a for a in found if a.target == target and a.measure.label == measure]
            if members:
                same.setdefault(_sparsities(members), []).append(measure)
        parts = [
            f"{join(names)} {'orders' if len(names) == 1 else 'order'} them as PD does {t}" for t, names in same.items()
        ]
        if len({a.measure for a in found}) > MANY:
            parts = [f"the order of PD is kept {_kept([a for a in found if a.target == target])}"]
        sentences.setdefault(tuple(parts), []).append(target.words)
    return [
        f"Among methods at one sparsity, {when} and in {join(targets)}, {'; '.join(parts)}."
        for parts, targets in sentences.items()
    ]


def _kept(found: Sequence[Agreement]) -> str:
    """At how many sparsities each measure orders the methods as PD does, the most first."""
    by_measure: dict[str, list[Agreement]] = {}
    for a in found:
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


def _cautions(found: Sequence[Agreement]) -> list[str]:
    lines = []
    fixed = [a.cells for a in found if a.sparsity is not None]
    if any(a.sparsity is None for a in found) and fixed:
        lines.append(
            "Agreement over all runs comes partly from sparsity alone, which raises AP and PD together; "
            "the comparison at one sparsity is what a claim about methods rests on."
        )
    if any(a.interval for a in found):
        lines.append(
            f"[a, b] after τ is its 95 % bootstrap interval ({kendall.RESAMPLES} resamples of the runs, percentiles): "
            "how far τ depends on which runs are there. It is too narrow for few runs, and has no width where no pair "
            f"is out of order; fewer than {kendall.LEAST} runs are too few for one."
        )
    fewest = min(fixed or [a.cells for a in found])
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


def _short(pair: Pair) -> str:
    return " / ".join(cell.name.rsplit(" at ", 1)[0] for cell in (pair.low, pair.high))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def signed(value: float) -> str:
    """Two decimals with a proper minus."""
    return f"{value:.2f}".replace("-", "−")


def bracketed(interval: tuple[float, float] | None) -> str:
    """[low, high]; nothing for None."""
    return "" if interval is None else f"[{signed(interval[0])}, {signed(interval[1])}]"

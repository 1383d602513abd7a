"""Whether a divergence predicts the loss: rank agreement of the runs, the best measure, and what breaks the order."""

from collections.abc import Iterator, Mapping, Sequence

from apcli.stages.report.comparisons.agreement import AMONG, Agreement, Improved, Over
from apcli.stages.report.comparisons.broken_pairs import THRESHOLD, BrokenPair
from apcli.stages.report.comparisons.contrast import Contrast
from apcli.stages.report.comparisons.limits import Limits, is_past, limits_of
from apcli.stages.report.comparisons.ranking import MeasureRanking, RankingPlace
from apcli.stages.report.comparisons.summary import Comparisons, comparisons_of
from apcli.stages.report.evidence.section import Section, exactly
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.runs.moments import Moment, moment_name
from apcli.stages.report.runs.quantities import PD_LOSS, ApMeasure, Quantity
from apcli.stages.report.tables.columns import Column, Interval, ReportTable, table_of
from apcli.words import join

TAU = "rank agreement τ"


def order(report: Report, group: Group) -> Section | None:
    """The section; None if fewer than two runs have both a measure and PD."""
    compared = comparisons_of(group)
    if not compared.agreements:
        return None
    details = (
        _ranking(group, compared.rankings),
        _agreements("order-parts", "Rank agreement, also at a sparsity and of a method", group, compared.agreements),
        _agreements("order-epochs", "Rank agreement at every epoch of fine-tuning", group, compared.by_epoch),
        _broken(group, compared.agreements),
        _contrasts(group, compared.contrasts),
    )
    return Section((), (_overall(group, compared),), tuple(table for table in details if len(table)))


def _overall(group: Group, compared: Comparisons) -> ReportTable:
    """A row for each measure and loss, among all runs and at one sparsity; columns for each moment.

    They are of PD and, where runs improved, of the change of loss, which has the sign that PD lacks.
    """
    known = {_place(a): a for a in compared.agreements if a.over in AMONG}
    changes = {(one.target, one.moment): one for one in compared.improved}
    by_sign = {(a.over, a.measure, *key): a for key, one in changes.items() for a in one.agreements}
    rows = sorted(dict.fromkeys((over, measure, target) for over, measure, target, _ in known), key=_by_among)
    has_interval = any(a.interval for a in (*known.values(), *by_sign.values()))
    beside = "95 % interval" if has_interval else "of single networks"
    columns = [
        Column("among", tuple(AMONG[over] for over, *_ in rows)),
        Column("measure", tuple(measure.label for _, measure, _ in rows)),
        Column("loss", tuple(target.words.removesuffix(" loss") for *_, target in rows)),
    ]
    for moment in dict.fromkeys(moment for *_, moment in known):
        heading = f"τ, {moment_name(group, moment)}"
        for name, made in ((f"PD [{beside}]", known), (f"signed change [{beside}]", by_sign)):
            found = [made.get((*row, moment)) for row in rows]
            columns.append(_taus(name, heading, found, has_interval))
    networks = [len(a.networks) for a in known.values()]
    columns.append(Column("dense networks", (max(networks),) * len(rows)))
    caption = (
        "Kendall’s τ-b between a measure and PD, over the pairs of runs of one dense network, of all networks; in "
        "brackets " + ("its interval." if has_interval else "the lowest and the highest τ of a single dense network.")
    )
    return table_of("order", "Rank agreement of the runs", columns, caption + _signs(group, compared.improved), keys=3)


def _place(a: Agreement) -> tuple[Over, ApMeasure, Quantity, Moment]:
    return a.over, a.measure, a.target, a.moment


def _by_among(row: tuple[Over, ApMeasure, Quantity]) -> tuple[int, int]:
    return list(AMONG).index(row[0]), PD_LOSS.index(row[2])


def _taus(name: str, heading: str, found: Sequence[Agreement | None], has_interval: bool) -> Column:
    """A column of τ, with intervals or with the range of the single networks."""
    pairs = tuple(None if a is None else a.interval if has_interval else a.range for a in found)
    networks = tuple(None if a is None else a.known for a in found) if has_interval else ()
    taus = tuple(None if a is None else a.tau for a in found)
    return Column(name, taus, heading, interval=pairs, networks=networks, decimals=2)


def _signs(group: Group, made: Sequence[Improved]) -> str:
    """What the columns of signed changes are, and how many runs they differ in; empty without such columns."""
    if not made:
        return ""
    counts = [f"{len(one.runs)} of {one.of} {moment_name(group, one.moment)} ({one.target.words})" for one in made]
    return (
        " The signed change is the loss of the pruned network minus that of the dense one; PD counts a run that "
        f"improved as one that lost as much. Runs that improved, by their means: {join(counts)}."
    )


def _agreements(name: str, title: str, group: Group, listed: Sequence[Agreement]) -> ReportTable:
    interval, ranges = tuple(a.interval for a in listed), [a.range or (None, None) for a in listed]
    columns = [
        Column("measure", tuple(a.measure.label for a in listed)),
        Column("against PD in", tuple(a.target.words for a in listed)),
        Column("when", tuple(moment_name(group, a.moment) for a in listed)),
        Column("among", tuple(_among(a) for a in listed)),
        Column(
            "τ",
            tuple(a.tau for a in listed),
            TAU,
            interval=interval if any(interval) else (),
            networks=tuple(a.known for a in listed),
            decimals=2,
        ),
        Column("lowest network", tuple(low for low, _ in ranges), TAU, decimals=2),
        Column("highest network", tuple(high for _, high in ranges), TAU, decimals=2),
        Column("agree", tuple(a.agree for a in listed), "pairs of runs"),
        Column("of", tuple(a.pairs for a in listed), "pairs of runs"),
        Column("tied", tuple(a.tied for a in listed), "pairs of runs", further=True),
        Column("dense networks", tuple(len(a.networks) for a in listed)),
        Column("runs", tuple(a.cells for a in listed), further=True),
    ]
    caption = "Kendall’s τ-b between a measure and PD, over the pairs of runs of one dense network, of all networks."
    return table_of(name, title, columns, caption, keys=4)


def _among(agreement: Agreement) -> str:
    if agreement.sparsity is not None:
        return f"sparsity {agreement.sparsity:g}"
    return agreement.method or AMONG[agreement.over]


def _ranking(group: Group, made: Sequence[MeasureRanking]) -> ReportTable:
    listed = [(ranking, place) for ranking in made for place in ranking.places]
    columns = [
        Column("measure", tuple(place.names for _, place in listed)),
        Column("against PD in", tuple(ranking.target.words for ranking, _ in listed)),
        Column("when", tuple(moment_name(group, ranking.moment) for ranking, _ in listed)),
        *standings(listed),
    ]
    caption = "By their rank agreement over all runs, the best first; measures with the same order share a row."
    return table_of("ranking", "Ranking of the measures", columns, caption, keys=3)


def standings(
    listed: Sequence[tuple[MeasureRanking, RankingPlace]], intervals: Sequence[Interval] = ()
) -> Iterator[Column]:
    """The columns of τ, on request with intervals, of how far that is below the best, and of pairs at one sparsity."""
    networks, below = tuple(place.agreement.known for _, place in listed), [place.below for _, place in listed]
    taus = [place.agreement.tau for _, place in listed]
    behind = [None if place is ranking.best else place.difference for ranking, place in listed]
    for name, cells, around in (("τ", taus, intervals), ("below the best", behind, below)):
        interval = tuple(around) if any(around) else ()
        yield Column(name, tuple(cells), TAU, interval=interval, networks=networks, decimals=2)
    yield Column("which is", tuple("the best" if place is ranking.best else place.verdict for ranking, place in listed))
    for number, name in enumerate(("agree", "of")):
        yield Column(name, tuple(place.pairs[number] for _, place in listed), "pairs at one sparsity")


def _broken(group: Group, agreements: Sequence[Agreement]) -> ReportTable:
    """Each pair once, with all measures that break its order."""
    pairs: dict[tuple[str, ...], tuple[BrokenPair, list[str]]] = {}
    for a in agreements:
        for pair in a.broken if a.over == "all" else ():
            key = (str(a.moment), a.target.words, pair.low.name, pair.high.name)
            pairs.setdefault(key, (pair, []))[1].append(a.measure.label)
    listed = list(pairs.values())
    differences = [pair.difference for pair, _ in listed]
    limits = {one.network: one for one in limits_of(group)}
    columns = [
        Column("smaller divergence, larger PD", tuple(pair.low.name for pair, _ in listed)),
        Column("larger divergence, smaller PD", tuple(pair.high.name for pair, _ in listed)),
        Column("by", tuple(join(labels) for _, labels in listed)),
        Column("PD in", tuple(pair.target.words for pair, _ in listed)),
        Column("when", tuple(moment_name(group, pair.moment) for pair, _ in listed)),
        Column(
            "of the pair",
            tuple(None if d is None else d.mean for d in differences),
            "difference of PD",
            "nats",
            spread=tuple(None if d is None else d.sd for d in differences),
        ),
        Column("within one sd", tuple(_yes(pair.within_spread) for pair, _ in listed)),
        Column("AP3 beyond the threshold", tuple(_yes(pair.explained) for pair, _ in listed)),
        Column("past the pruning limit", tuple(_past(pair, limits) for pair, _ in listed)),
    ]
    caption = (
        "Pairs of runs that a measure and PD put in opposite orders, by their means. AP3 is beyond the threshold from "
        f"{THRESHOLD:g} nats on, where Lemma 2 (arXiv:2403.00155) says nothing of a run."
    )
    if limits:
        caption += (
            " Past the pruning limit is a run from which more weights went than the theory of the limit allows: right "
            "after pruning, than one-shot pruning within eps; later, than any of its statements."
        )
    return table_of("broken-pairs", "Pairs that break the order", columns, caption, keys=2)


def _past(pair: BrokenPair, limits: Mapping[str, Limits]) -> str | None:
    """The runs of a pair that are past the limit of their dense networks."""
    past = {cell.name: is_past(cell.run, limits, pair.moment) for cell in (pair.low, pair.high)}
    if None in past.values():
        return None
    return join([name for name, is_it in past.items() if is_it]) or "neither"


def _contrasts(group: Group, listed: Sequence[Contrast]) -> ReportTable:
    columns = [
        Column("method", tuple(c.first.method for c in listed)),
        Column("compared with", tuple(c.second.method for c in listed)),
        exactly("sparsity", [c.sparsity for c in listed]),
        Column("when", tuple(moment_name(group, c.moment) for c in listed)),
        Column("measure", tuple(c.measure.label for c in listed)),
        Column("difference", tuple(c.value for c in listed), unit="sd"),
        Column("n", tuple(min(c.n) for c in listed)),
        Column("of", tuple(c.unit for c in listed)),
    ]
    caption = "By how many pooled standard deviations a measure separates two methods at one sparsity."
    return table_of("contrast", "Contrast of two methods", columns, caption, keys=5)


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"

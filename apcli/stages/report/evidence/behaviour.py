"""What pruned networks do otherwise: predictions, classes, calibration, shifts, exemplars, masks; what orders it."""

import statistics
from collections.abc import Callable, Sequence

from apcli.records.behaviour import BehaviourRecord, Confidence, NetworkCalibration
from apcli.records.exemplars import ExemplarsRecord
from apcli.records.overlap import OverlapRecord
from apcli.stages.report.comparisons.behaviour import WITHIN, Behaved, behaved, mean_change, potential, shifts_of
from apcli.stages.report.comparisons.ranking import MeasureRanking
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.evidence.order import standings
from apcli.stages.report.evidence.section import Section, Shown, exactly
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.tables.columns import Column, ReportTable, table_of

Number = Callable[[BehaviourRecord], float | None]

_LEVEL = 0.05
_AS_THEY_ARE = "no shift"


def behaviour(report: Report, group: Group) -> Section | None:
    """The section; None without a record of behaviour, exemplars or overlaps."""
    if not (group.behaviours or group.exemplars or group.overlaps):
        return None
    found = behaved(group)
    tables = (_overall(found), _ranking(comparisons_of(group).behaviour_rankings))
    details = (_classes(found), _shifts(found), _exemplars(group), _overlaps(group.overlaps))
    return Section((), _kept(tables), _kept(details), *_images(group.exemplars))


def _images(exemplars: Sequence[ExemplarsRecord]) -> tuple[tuple[Shown, ...], str]:
    """The exemplars of the last record that has some, and a line about them."""
    record = next((one for one in reversed(exemplars) if one.exemplars), None)
    if record is None:
        return (), ""
    at = "" if record.sparsity is None else f" at sparsity {record.sparsity:g}"
    shown = tuple(
        Shown(
            one.thumbnail,
            f"{one.name or one.label}: wrong in {one.wrong} of {record.networks} networks, mostly as "
            f"{one.predicted_name or one.predicted}",
        )
        for one in record.exemplars
    )
    return shown, f"Images that dense networks get right and most of {record.networks} pruned ones{at} wrong."


def _kept(tables: Sequence[ReportTable]) -> tuple[ReportTable, ...]:
    return tuple(table for table in tables if len(table))


def _of(found: Sequence[Behaved]) -> list[Column]:
    return [
        Column("method", tuple(one.method for one in found)),
        exactly("sparsity", [one.sparsity for one in found]),
        Column("split", tuple(one.split for one in found)),
    ]


def _overall(found: Sequence[Behaved]) -> ReportTable:
    """A row for each method and sparsity."""

    def column(name: str, number: Number, **about: object) -> Column:
        return Column(name, tuple(one.mean(number) for one in found), **about)  # type: ignore[arg-type]

    def share(part: Callable[[BehaviourRecord], int]) -> Callable[[BehaviourRecord], float]:
        return lambda record: 100 * part(record) / record.evaluated["images"]

    worst = [one.worst for one in found]
    percent = {"unit": "%", "decimals": 2}
    columns = [
        *_of(found),
        Column("files", tuple(len(one.records) for one in found)),
        column("both predict one class", lambda r: r.predictions.agreement.value, group="images", **percent),
        column("turn wrong", share(lambda r: r.predictions.flips.to_wrong), group="images", **percent),
        column("turn right", share(lambda r: r.predictions.flips.to_right), group="images", **percent),
        column("wrong otherwise", share(lambda r: r.predictions.flips.between_wrongs), group="images", **percent),
        Column("name", tuple(one and one[0] for one in worst), "class that loses most"),
        Column("change", tuple(one and one[1] for one in worst), "class that loses most", "pp", decimals=1),
        column("dense", _confidence("dense", lambda c: c.ece.value), group="ECE", decimals=4),
        column("pruned", _confidence("pruned", lambda c: c.ece.value), group="ECE", decimals=4),
        column("dense", _scaled("dense", lambda c: c.ece.value), group="ECE, scaled", decimals=4),
        column("pruned", _scaled("pruned", lambda c: c.ece.value), group="ECE, scaled", decimals=4),
        column("mean", lambda r: _cka(r, statistics.fmean), group="CKA of the layers", decimals=3),
        column("least", lambda r: _cka(r, min), group="CKA of the layers", decimals=3),
    ]
    caption = (
        "Means over files. An image turns wrong if the dense network is right and the pruned one is not. ECE: mean gap "
        "of confidence and accuracy, debiased; scaled: with logits divided by a temperature fitted on other images. "
        "CKA is 1 where a layer computes the same in both networks, but for a rotation and a factor."
    )
    return table_of("behaviour", "What the networks do with the same images", columns, caption, keys=3)


def _network(side: str, number: Callable[[NetworkCalibration], float | None]) -> Number:
    return lambda r: None if r.calibration is None else number(getattr(r.calibration, side))


def _confidence(side: str, number: Callable[[Confidence], float]) -> Number:
    return _network(side, lambda one: number(one.own))


def _scaled(side: str, number: Callable[[Confidence], float]) -> Number:
    return _network(side, lambda one: None if one.scaled is None else number(one.scaled))


def _cka(record: BehaviourRecord, of: Callable[[Sequence[float]], float]) -> float | None:
    return of([layer.cka for layer in record.features.layers]) if record.features else None


def _ranking(made: Sequence[MeasureRanking]) -> ReportTable:
    """The measures by how well they order each number of behaviour."""
    listed = [(ranking, place) for ranking in made for place in ranking.places]
    columns = [
        Column("orders", tuple(ranking.target.label for ranking, _ in listed)),
        Column("measure", tuple(place.names for _, place in listed)),
        *standings(listed, [place.agreement.interval for _, place in listed]),
        Column("dense networks", tuple(len(place.agreement.networks) for _, place in listed)),
    ]
    caption = (
        "Kendall’s τ-b between a divergence and each number of behaviour, over the pairs of runs of one dense network, "
        "of all networks; intervals resample dense networks, five at least. Measures with the same order share a row."
    )
    return table_of("behaviour-order", "Which divergence sees what", columns, caption, keys=2)


def _known(intervals: tuple[tuple[float, float] | None, ...]) -> tuple[tuple[float, float] | None, ...]:
    return intervals if any(intervals) else ()


def _classes(found: Sequence[Behaved]) -> ReportTable:
    """A row for each class of each method and sparsity, the largest loss first."""
    rows = []
    for one in found:
        own = []
        for name, each in one.classes:
            only = each[0].change if len(each) == 1 else None
            interval = (only.low, only.high) if only and only.low is not None and only.high is not None else None
            own.append((one, name, mean_change(each), interval, sum(c.p < _LEVEL for c in each), len(each)))
        rows += sorted(own, key=lambda row: row[2])
    columns = [
        *_of([row[0] for row in rows]),
        Column("class", tuple(row[1] for row in rows)),
        Column(
            "accuracy",
            tuple(row[2] for row in rows),
            "change of",
            "pp",
            interval=_known(tuple(r[3] for r in rows)),
            decimals=1,
        ),
        Column("files in which it changes", tuple(row[4] for row in rows)),
        Column("of", tuple(row[5] for row in rows)),
    ]
    caption = (
        "The mean over files, and of a single one its interval; a class changes in a file if McNemar’s exact test, "
        "adjusted for all classes (Holm), says so at 5 %."
    )
    return table_of("behaviour-classes", "Accuracy by class", columns, caption, keys=4)


def _shifts(found: Sequence[Behaved]) -> ReportTable:
    """A row for each method and shift: what accuracy is lost at each sparsity, and the prune potential."""
    shifts = shifts_of(found)
    if not shifts:
        return table_of("behaviour-shifts", "", ())
    methods = dict.fromkeys(one.method for one in found)
    rows: list[tuple[str, str | None]] = [(method, shift) for method in methods for shift in (None, *shifts)]
    sparsities = sorted({one.sparsity for one in found if one.sparsity is not None})
    at = {(one.method, one.sparsity): one for one in found}
    lacking = [
        tuple(at[method, s].drop(shift) if (method, s) in at else None for method, shift in rows) for s in sparsities
    ]
    columns = [
        Column("method", tuple(method for method, _ in rows)),
        Column("shift", tuple(shift or _AS_THEY_ARE for _, shift in rows)),
        Column("prune potential", tuple(potential(found, *row) for row in rows), decimals=3),
        *(
            Column(f"at {s:g}", cells, "accuracy below the dense network’s", "pp", decimals=2)
            for s, cells in zip(sparsities, lacking, strict=True)
        ),
    ]
    caption = (
        f"The prune potential is the highest sparsity up to which a method stays within {WITHIN:g} points of the dense "
        "network’s accuracy on the same images (Liebenwein et al. 2021); means over files and severities."
    )
    return table_of("behaviour-shifts", "Shifted images", columns, caption, keys=2)


def _exemplars(group: Group) -> ReportTable:
    made = group.exemplars
    columns = [
        exactly("sparsity", [one.sparsity for one in made]),
        Column("methods", tuple(", ".join(one.methods) for one in made)),
        Column("pruned", tuple(one.networks for one in made), "networks"),
        Column("dense", tuple(one.dense for one in made), "networks"),
        Column("at chance level, left out", tuple(one.left_out for one in made), "networks"),
        Column("right when dense", tuple(one.right for one in made), "images"),
        Column("wrong in most pruned networks", tuple(one.found for one in made), "images"),
        Column("if they erred independently", tuple(one.expected for one in made), "images", decimals=1),
    ]
    caption = "Images that most dense networks get right and most pruned ones of a sparsity get wrong."
    return table_of("exemplars", "Images that pruning costs", columns, caption, keys=2)


def _overlaps(records: Sequence[OverlapRecord]) -> ReportTable:
    """Means over the pairs of files that two methods, or the seeds of one, have at a sparsity."""
    alike: dict[tuple[str, str, float | None], list[OverlapRecord]] = {}
    for one in records:
        names = sorted({str(one.first.method), str(one.second.method)})
        alike.setdefault((" and ".join(names), one.between, one.sparsity), []).append(one)
    keys, members = list(alike), list(alike.values())
    columns = [
        Column("methods", tuple(names for names, _, _ in keys)),
        Column("differ in", tuple(between for _, between, _ in keys)),
        exactly("sparsity", [sparsity for _, _, sparsity in keys]),
        Column("of the kept weights", tuple(_mean(each, "jaccard") for each in members), "Jaccard", decimals=4),
        Column("by chance", tuple(_mean(each, "chance") for each in members), "Jaccard", decimals=4),
        Column("pairs of files", tuple(len(each) for each in members)),
    ]
    caption = "Weights that both files keep over those that either keeps; by chance: of random masks, layer by layer."
    return table_of("overlap", "Overlap of masks", columns, caption, keys=3)


def _mean(records: Sequence[OverlapRecord], name: str) -> float | None:
    known = [getattr(one, name) for one in records if getattr(one, name) is not None]
    return statistics.fmean(known) if known else None

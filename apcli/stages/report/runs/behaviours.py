"""What behaviour records say of pruned files: as numbers of a trial, larger where a network behaves otherwise."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from apcli.records.behaviour import BehaviourRecord
from apcli.records.bound import BoundRecord
from apcli.stages.report.runs.quantities import Quantity, ScoreKey

KIND, SHARPNESS = "behaviour", "sharpness"
_CURVATURE = "largest eigenvalue"  # the constant of a statement about the file itself
_POINTS = "percentage points"


@dataclass(frozen=True)
class _Measured:
    """A number of a record of images as they are."""

    what: str
    unit: str
    value: Callable[[BehaviourRecord], float | None]


def _share(record: BehaviourRecord, images: int) -> float:
    return 100 * images / record.evaluated["images"]


def _rise(record: BehaviourRecord, number: Callable[..., float | None]) -> float | None:
    if record.calibration is None:
        return None
    dense, pruned = number(record.calibration.dense), number(record.calibration.pruned)
    return None if dense is None or pruned is None else pruned - dense


def _parted(record: BehaviourRecord) -> float | None:
    if record.features is None:
        return None
    return 1 - statistics.fmean(layer.cka for layer in record.features.layers)


_MEASURED = (
    _Measured("images that turn wrong", "percent", lambda r: _share(r, r.predictions.flips.to_wrong)),
    _Measured("images that turn right", "percent", lambda r: _share(r, r.predictions.flips.to_right)),
    _Measured("disagreement", "percent", lambda r: 100 - r.predictions.agreement.value),
    _Measured(
        "largest loss of a class",
        _POINTS,
        lambda r: max((-one.change.value for one in r.predictions.classes), default=None),
    ),
    _Measured("rise of the Brier score", "", lambda r: _rise(r, lambda one: one.own.brier)),
    _Measured("rise of the ECE", "", lambda r: _rise(r, lambda one: one.own.ece.value)),
    _Measured(
        "rise of the ECE, scaled", "", lambda r: _rise(r, lambda one: one.scaled.ece.value if one.scaled else None)
    ),
    _Measured("loss of margin", "", lambda r: _rise(r, lambda one: -one.margin)),
    _Measured("1 − mean CKA of the layers", "", _parted),
)


def quantities_of(records: Iterable[BehaviourRecord], bounds: Iterable[BoundRecord]) -> tuple[Quantity, ...]:
    """The quantities that the records have values of, in their order; those of shifts last."""
    kept = list(records)
    units = {one.what: one.unit for one in _MEASURED} | dict(_shifts(kept)) | {SHARPNESS: ""}
    known = {key for values in values_of(kept, bounds).values() for key in values}
    splits = sorted({key.split for key in known})
    several = len([split for split in splits if split]) > 1
    made = []
    for key in (ScoreKey(KIND, split, what) for split in splits for what in units):
        if key in known:
            label = f"{key.what}, {key.split}" if several and key.split else key.what
            made.append(Quantity(key, label, units[key.what]))
    return tuple(made)


def values_of(
    records: Iterable[BehaviourRecord], bounds: Iterable[BoundRecord] = ()
) -> dict[str, dict[ScoreKey, float]]:
    """The numbers of each pruned file, by its SHA-256; of several records of one file and split, the last one's."""
    values: dict[str, dict[ScoreKey, float]] = {}
    for file, found in by_file(records).items():
        for split, (own, shifted) in found.items():
            known = {one.what: one.value(own) for one in _MEASURED} if own else {}
            if own:
                known |= {_excess(shift): _drop(members, own) for shift, members in shifted.items()}
            values.setdefault(file, {}).update(
                {ScoreKey(KIND, split, what): value for what, value in known.items() if value is not None}
            )
    for bound in bounds:
        if bound.pruned.sha256 and bound.pruned.sha256 == bound.dense.sha256:
            for one in bound.bound.constants:
                if one.name == _CURVATURE and one.value is not None:
                    values.setdefault(bound.pruned.sha256, {})[ScoreKey(KIND, "", SHARPNESS)] = one.value
    return values


Shifted = Mapping[str, Sequence[BehaviourRecord]]


def by_file(
    records: Iterable[BehaviourRecord],
) -> dict[str, dict[str, tuple[BehaviourRecord | None, Shifted]]]:
    """By the pruned file's SHA-256 and the split: the record of images as they are, and those of each shift."""
    own: dict[tuple[str, str], BehaviourRecord] = {}
    shifted: dict[tuple[str, str], dict[str, dict[int | None, BehaviourRecord]]] = {}
    for record in records:
        key = record.pruned.identity, str(record.evaluated.get("split", ""))
        if record.shift is None:
            own[key] = record
        else:
            shifted.setdefault(key, {}).setdefault(record.shift, {})[record.severity] = record
    found: dict[str, dict[str, tuple[BehaviourRecord | None, Shifted]]] = {}
    for file, split in dict.fromkeys([*own, *shifted]):
        members = {shift: list(each.values()) for shift, each in shifted.get((file, split), {}).items()}
        found.setdefault(file, {})[split] = own.get((file, split)), members
    return found


def drop(record: BehaviourRecord) -> float:
    """The accuracy that the pruned network lacks, in percentage points."""
    return record.predictions.accuracy.dense - record.predictions.accuracy.pruned


def _excess(shift: str) -> str:
    return f"further loss of accuracy by {shift}"


def _shifts(records: Iterable[BehaviourRecord]) -> Iterator[tuple[str, str]]:
    for shift in dict.fromkeys(record.shift for record in records if record.shift is not None):
        yield _excess(shift), _POINTS


def _drop(shifted: Sequence[BehaviourRecord], own: BehaviourRecord) -> float:
    """How much more accuracy the pruned network lacks on shifted images, the mean over severities."""
    return statistics.fmean(map(drop, shifted)) - drop(own)

"""The tables of `apcli behaviour`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from apcli.cli.layout.tables import Column, Grid
from apcli.words import few, join

if TYPE_CHECKING:
    from apcli.records.behaviour import BehaviourRecord, ClassChange, Compared, Confidence, Estimated, Features
    from apcli.records.behaviour import Predictions as PredictionFacts
    from apcli.records.exemplars import ExemplarsRecord
    from apcli.records.overlap import OverlapRecord

_COLUMNS = (
    Column("quantity", "name"),
    Column("dense"),
    Column("pruned"),
    Column("change", rank=1),
    Column("95 %", "word", rank=2),
)
_EXEMPLARS = (
    Column("image"),
    Column("label", "name"),
    Column("predicted", "name"),
    Column("wrong"),
    Column("loss rise", rank=1),
)
_FEATURES = (
    Column("layer", "name"),
    Column("CKA"),
    Column("change of outputs", rank=1),
    Column("dead channels: dense", rank=2),
    Column("pruned", rank=2),
    Column("nHSIC with labels: dense", rank=3),
    Column("pruned", rank=3),
)
_OVERLAPS = (
    Column("file", "name"),
    Column("other file", "name"),
    Column("differ in", "word", rank=1),
    Column("Jaccard"),
    Column("by chance"),
)
_NAMED = 5  # classes below the table


def of_pair(files: str, record: "BehaviourRecord") -> Iterator[Grid]:
    """The tables of one record; ``files`` names the pair."""
    where = f"{record.evaluated['images']} {record.evaluated['split']} images of {record.evaluated['data']}"
    if record.shift:
        where = f"{where}, {record.shift} of severity {record.severity}"
    caption = "\n".join(_said_of(record.predictions))
    yield Grid(_COLUMNS, list(_rows(record)), f"{files}: {where}", caption)
    if record.features:
        yield _features(record.features)


def over_all(records: Sequence[Any]) -> Iterator[Grid]:
    """The tables of the records about all pairs."""
    for record in records:
        if record.kind == "exemplars":
            yield _exemplars(record)
    overlaps = [record for record in records if record.kind == "overlap"]
    if overlaps:
        yield _overlaps(overlaps)


def _rows(record: "BehaviourRecord") -> Iterator[list[str]]:
    predictions, calibration = record.predictions, record.calibration
    yield _compared("accuracy, %", predictions.accuracy, ".2f")
    if predictions.top5:
        yield _compared("top-5, %", predictions.top5, ".2f")
    yield _compared("loss, nats", predictions.loss, ".4f")
    if calibration is None:
        return
    dense, pruned = calibration.dense, calibration.pruned
    yield _row("margin of the label’s logit", dense.margin, pruned.margin, ".3f")
    yield from _sureness("", dense.own, pruned.own)
    if dense.temperature and pruned.temperature and dense.scaled and pruned.scaled:
        yield _row("temperature fitted", dense.temperature, pruned.temperature, ".3f")
        yield from _sureness(", scaled", dense.scaled, pruned.scaled)


def _sureness(scaled: str, dense: "Confidence", pruned: "Confidence") -> Iterator[list[str]]:
    for name in ("nll", "brier", "confidence", "entropy"):
        title = {"nll": "NLL, nats", "brier": "Brier score", "entropy": "entropy, nats"}.get(name, name)
        yield _row(f"{title}{scaled}", getattr(dense, name), getattr(pruned, name), ".4f")
    yield _row(f"calibration error (ECE){scaled}", dense.ece.value, pruned.ece.value, ".4f")


def _compared(title: str, both: "Compared", form: str) -> list[str]:
    row = _row(title, both.dense, both.pruned, form)
    return row if both.change is None else [*row[:-1], _interval(both.change, form)]


def _row(title: str, dense: float, pruned: float, form: str) -> list[str]:
    return [title, *(_signed(number, form, "") for number in (dense, pruned)), _signed(pruned - dense, form), "-"]


def _features(found: "Features") -> Grid:
    rows = []
    for layer in found.layers:
        change = "-" if layer.change is None else f"{layer.change:.3f}"
        dead, labels = layer.dead_channels, layer.with_labels
        shares = (f"{100 * share:.1f} %" for share in (dead.dense, dead.pruned))
        dependences = (f"{number:.3f}" for number in (labels.dense, labels.pruned))
        rows.append([layer.layer, f"{layer.cka:.4f}", change, *shares, *dependences])
    return Grid(_FEATURES, rows, f"What each layer computes, on {found.images} images")


def _said_of(predictions: "PredictionFacts") -> Iterator[str]:
    """Lines on the agreement, the flips, and the classes that change."""
    agreement, flips = predictions.agreement, predictions.flips
    yield f"both predict one class on {agreement.value:.2f} % of the images, 95 % {_interval(agreement, '.2f', '')}"
    yield (
        f"{flips.to_wrong} images turn wrong, {flips.to_right} turn right (McNemar p {flips.p:.2g}), and "
        f"{flips.between_wrongs} wrong ones change"
    )
    changed = sorted((one for one in predictions.classes if one.p < 0.05), key=lambda one: one.change.value)
    if changed:
        yield f"classes whose accuracy changes (Holm, 5 %): {few([_class(one) for one in changed], _NAMED)}"


def _class(one: "ClassChange") -> str:
    return f"{one.name or one.label} {_signed(one.change.value, '.1f')} {_interval(one.change, '.1f')}"


def _exemplars(record: "ExemplarsRecord") -> Grid:
    at = "" if record.sparsity is None else f" at sparsity {record.sparsity:g}"
    left_out = f" ({record.left_out} at chance level left out)" if record.left_out else ""
    title = f"Images that dense networks get right and most of {record.networks} pruned ones{at} wrong{left_out}"
    caption = (
        f"{record.found} of {record.right} images; {record.expected:.1f} if networks erred independently of each "
        f"other; by {join(record.methods)}"
    )
    rows = []
    for one in record.exemplars:
        names = (one.name or str(one.label), one.predicted_name or str(one.predicted))
        rows.append([str(one.image), *names, f"{one.wrong} of {record.networks}", f"{one.rise:.3f}"])
    return Grid(_EXEMPLARS, rows, title, caption)


def _overlaps(records: "Sequence[OverlapRecord]") -> Grid:
    rows = []
    for record in records:
        files = (str(record.first.path), str(record.second.path))
        shares = ("-" if share is None else f"{share:.4f}" for share in (record.jaccard, record.chance))
        rows.append([*files, record.between, *shares])
    return Grid(_OVERLAPS, rows, "Kept weights: shared by both files, of those that either keeps (Jaccard)")


def _interval(found: "Estimated", form: str, sign: str = "+") -> str:
    if found.low is None or found.high is None:
        return "-"
    return f"[{', '.join(_signed(end, form, sign) for end in (found.low, found.high))}]"


def _signed(number: float, form: str, sign: str = "+") -> str:
    return format(number, f"{sign}{form}").replace("-", "−")

"""The answer to what pruning forgot: who pays, how calibration moves, and which divergence sees it."""

from collections.abc import Iterator, Sequence

from apcli.stages.report.answers.answer import Answer
from apcli.stages.report.comparisons.behaviour import Behaved, behaved
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.words import points
from apcli.words import count, few

QUESTION, ANCHOR = "What did pruning forget?", "behaviour"
_NEAR = 1.0  # percentage points of accuracy: about equal


def on_behaviour(group: Group) -> Answer | None:
    """The run of about the dense accuracy that flips most, or else the one nearest to it; None without records."""
    found = behaved(group)
    if not found:
        return None
    chosen = _chosen(found)
    wrong, right = _shares(chosen)
    lost = chosen.drop(None) or 0.0
    sentences = [
        f"{chosen.name} is {abs(lost):.1f} points {'below' if lost >= 0 else 'above'} the dense accuracy on "
        f"{chosen.split} images: {wrong:.1f} % of the images turn wrong and {right:.1f} % turn right.",
        *_on_classes(chosen),
        *_on_calibration(chosen),
        *_on_exemplars(group),
        *_on_divergences(group),
    ]
    files = sum(len(one.records) for one in found)
    least = min(record.evaluated["images"] for one in found for record in one.records)
    sureness = f"{count(files, 'pruned file')}, {least:,} images at least; intervals stand in the records."
    return Answer(QUESTION, " ".join(sentences), f"{wrong:.1f} % turn wrong", sureness, ANCHOR)


def _chosen(found: Sequence[Behaved]) -> Behaved:
    near = [one for one in found if abs(one.drop(None) or 0.0) <= _NEAR]
    if near:
        return max(near, key=lambda one: _shares(one)[0])
    return min(found, key=lambda one: abs(one.drop(None) or 0.0))


def _shares(one: Behaved) -> tuple[float, float]:
    flips = (
        one.mean(lambda r: 100 * r.predictions.flips.to_wrong / r.evaluated["images"]),
        one.mean(lambda r: 100 * r.predictions.flips.to_right / r.evaluated["images"]),
    )
    return flips[0] or 0.0, flips[1] or 0.0


def _on_classes(one: Behaved) -> Iterator[str]:
    if one.worst and one.worst[1] < 0:
        yield f"The class that loses most is {one.worst[0]} ({points(one.worst[1])})."


def _on_calibration(one: Behaved) -> Iterator[str]:
    before = one.mean(lambda r: r.calibration.dense.own.ece.value if r.calibration else None)
    after = one.mean(lambda r: r.calibration.pruned.own.ece.value if r.calibration else None)
    if before is not None and after is not None:
        yield f"Its calibration error is {after:.3f}, the dense network’s {before:.3f}."


def _on_exemplars(group: Group) -> Iterator[str]:
    if group.exemplars:
        one = group.exemplars[-1]
        at = "" if one.sparsity is None else f" at sparsity {one.sparsity:g}"
        yield (
            f"Of {one.networks} pruned networks{at}, most get {count(one.found, 'image')} wrong that dense ones get "
            f"right; {one.expected:.1f} if they erred independently."
        )


def _on_divergences(group: Group) -> Iterator[str]:
    """The numbers of behaviour that some divergence orders best, each with that divergence."""
    made = sorted(comparisons_of(group).behaviour_rankings, key=lambda one: -(one.best.agreement.tau or 0.0))
    if made:
        best = [f"{one.target.label} by {one.best.names} (τ {one.best.agreement.words})" for one in made]
        yield f"A divergence orders best: {few(best, 3)}."

"""Which classes both networks predict: agreement, flips, classes and confusion."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from apcli.probes.outcomes import Outcomes
from apcli.records.behaviour import ClassChange, Compared, Confusion, Estimated, Flips, Predictions
from apcli.theory.statistics import means, proportions
from apcli.theory.statistics.clusters import LEVEL
from apcli.theory.statistics.paired import change_interval, mcnemar_p

_PAIRS = 100  # of classes in a record, the commonest


def predictions(dense: Outcomes, pruned: Outcomes, names: Sequence[str]) -> Predictions:
    """Compare the predictions of two networks on the same images; ``names`` are the classes', or empty."""
    five = None
    if dense.among_five is not None and pruned.among_five is not None:
        five = compared_shares(dense.among_five, pruned.among_five)
    count = len(dense.labels)
    alike = int((dense.predictions == pruned.predictions).sum())
    low, high = proportions.interval(alike, count, 1 - LEVEL)
    return Predictions(
        agreement=_percent(alike / count, low, high),
        accuracy=compared_shares(dense.right, pruned.right),
        top5=five,
        loss=compared_means(dense.losses, pruned.losses),
        flips=_flips(dense, pruned),
        classes=_classes(dense, pruned, names),
        confusion=tuple(_confusion(dense, pruned)),
    )


def compared_means(dense: np.ndarray, pruned: np.ndarray) -> Compared:
    """The means of two numbers of the same images, with the interval of their paired difference."""
    change = pruned - dense
    interval = means.mean_interval(change.tolist())
    low, high = interval or (None, None)
    return Compared(float(dense.mean()), float(pruned.mean()), Estimated(float(change.mean()), low, high))


def compared_shares(dense: np.ndarray, pruned: np.ndarray) -> Compared:
    """The shares of the same images for which something holds (bool [N]), in percent."""
    lost, gained = (int(one.sum()) for one in (dense & ~pruned, pruned & ~dense))
    change = _change(lost, gained, len(dense), 1 - LEVEL)
    return Compared(100 * float(dense.mean()), 100 * float(pruned.mean()), change)


def _change(lost: int, gained: int, images: int, level: float) -> Estimated:
    return _percent((gained - lost) / images, *change_interval(lost, gained, images, level))


def _percent(value: float, low: float, high: float) -> Estimated:
    return Estimated(100 * value, 100 * low, 100 * high)


def _flips(dense: Outcomes, pruned: Outcomes) -> Flips:
    before, after, alike = dense.right, pruned.right, dense.predictions == pruned.predictions
    to_wrong, to_right = int((before & ~after).sum()), int((after & ~before).sum())
    return Flips(
        both_right=int((before & after).sum()),
        to_wrong=to_wrong,
        to_right=to_right,
        between_wrongs=int((~before & ~after & ~alike).sum()),
        alike_wrong=int((~before & alike).sum()),
        p=mcnemar_p(to_wrong, to_right),
    )


def _classes(dense: Outcomes, pruned: Outcomes, names: Sequence[str]) -> tuple[ClassChange, ...]:
    labels, images = np.unique(dense.labels, return_counts=True)
    before, after = dense.right, pruned.right
    lost, gained, right = (
        np.bincount(dense.labels[chosen], minlength=labels[-1] + 1)[labels].tolist()
        for chosen in (before & ~after, after & ~before, before)
    )
    p_values = [mcnemar_p(down, up) for down, up in zip(lost, gained, strict=True)]
    adjusted, levels = means.holm(p_values), means.holm_levels(p_values)
    both = Counter(dense.predictions[dense.predictions == pruned.predictions].tolist())
    changes = []
    for place, (label, count) in enumerate(zip(labels.tolist(), images.tolist(), strict=True)):
        adjusted_p = adjusted[place]
        assert adjusted_p is not None
        changes.append(
            ClassChange(
                label=label,
                name=names[label] if label < len(names) else None,
                images=count,
                dense=100 * right[place] / count,
                pruned=100 * (right[place] - lost[place] + gained[place]) / count,
                change=_change(lost[place], gained[place], count, levels[place]),
                p=adjusted_p,
                predicted_by_both=both[label],
            )
        )
    return tuple(changes)


def _confusion(dense: Outcomes, pruned: Outcomes) -> Iterator[Confusion]:
    differ = dense.predictions != pruned.predictions
    counts = Counter(zip(dense.predictions[differ].tolist(), pruned.predictions[differ].tolist(), strict=True))
    for (before, after), images in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_PAIRS]:
        yield Confusion(before, after, images)

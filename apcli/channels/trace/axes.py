"""Axes of tensors: which atom each entry is and which layers made it, and how reshapes move entries."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apcli.channels.trace.atoms import NOTHING, REGROUPED, Atoms

Shape = Sequence[int]


@dataclass(frozen=True)
class Origin:
    """Output ``made[i]`` along ``dim`` of a weight has come to entry i of an axis; -1: none has."""

    tensor: str
    dim: int
    made: np.ndarray


@dataclass(frozen=True)
class Axis:
    """The atom of each entry along an axis, int64 [n], and where the entries come from."""

    ids: np.ndarray
    origins: tuple[Origin, ...] = ()

    def take(self, places: np.ndarray) -> "Axis":
        """The axis of these entries, in this order."""
        return Axis(self.ids[places], tuple(Origin(o.tensor, o.dim, o.made[places]) for o in self.origins))


Axes = Sequence[Axis | None]  # of one tensor; None: all entries stay


def ids_of(axis: Axis | None, size: int) -> np.ndarray:
    """The atoms of an axis that has this many entries."""
    return np.full(size, NOTHING) if axis is None else axis.ids


def joined(axes: Axes, sizes: Shape) -> Axis | None:
    """One axis after the other."""
    if all(axis is None for axis in axes):
        return None
    ends = list(itertools.accumulate(sizes))
    origins = []
    for axis, size, end in zip(axes, sizes, ends, strict=True):
        for origin in () if axis is None else axis.origins:
            made = np.full(ends[-1], NOTHING)
            made[end - size : end] = origin.made
            origins.append(Origin(origin.tensor, origin.dim, made))
    return Axis(np.concatenate([ids_of(*pair) for pair in zip(axes, sizes, strict=True)]), tuple(origins))


def split(atoms: Atoms, axis: Axis | None, sizes: Shape) -> list[Axis | None]:
    """The axes of a grid of these sizes, in whose order the entries of ``axis`` are."""
    if axis is None or (axis.ids == NOTHING).all():
        return [None] * len(sizes)
    places = np.arange(len(axis.ids)).reshape(sizes)
    grid = axis.ids.reshape(sizes)
    varying = [k for k in range(len(sizes)) if (grid != grid.take([0], axis=k)).any()]
    thin = places[tuple(slice(None) if k in varying else 0 for k in range(len(sizes)))]
    if len(varying) < 2:
        parts = [axis.take(thin)] if varying else []
    else:
        parts = [Axis(ids) for ids in atoms.split(axis.ids[thin.ravel()], thin.shape)]
    found = iter(parts)
    return [next(found) if k in varying else None for k in range(len(sizes))]


def merged(atoms: Atoms, axes: Axes, sizes: Shape) -> Axis | None:
    """One axis whose entries are the grid of these axes, the last one fastest."""
    real = [k for k, axis in enumerate(axes) if axis is not None]
    if not real:
        return None
    chosen = [axis for axis in axes if axis is not None]
    whole = chosen[0] if len(real) == 1 else Axis(atoms.merged([axis.ids for axis in chosen]))
    thin = [size if k in real else 1 for k, size in enumerate(sizes)]
    return whole.take(np.broadcast_to(np.arange(math.prod(thin)).reshape(thin), tuple(sizes)).ravel())


def reshaped(atoms: Atoms, axes: Axes, before: Shape, after: Shape) -> list[Axis | None]:
    """The axes after a reshape; entries that it moves in no regular way must stay."""
    result: list[Axis | None] = [None] * len(after)
    if math.prod(before) == 0:
        return result
    ends = set(_ends(before)) & set(_ends(after)) | {1}
    for low, high in itertools.pairwise(sorted(ends)):
        ins, outs = ([k for k, end in enumerate(_ends(s)) if low < end <= high and s[k] > 1] for s in (before, after))
        if len(ins) == len(outs) == 1:
            result[outs[0]] = axes[ins[0]]
            continue
        bounds = sorted({_ends(before)[k] for k in ins} | {_ends(after)[k] for k in outs} | {low})
        if any(end % start for start, end in itertools.pairwise(bounds)):
            for axis in (axes[k] for k in ins):
                if axis is not None:
                    atoms.fix(axis.ids, REGROUPED)
            continue
        factors: dict[int, tuple[Axis | None, int]] = {}  # by where they end, each with its size
        for k in ins:
            inner = [b for b in bounds if _ends(before)[k] // before[k] < b <= _ends(before)[k]]
            sizes = [end // start for start, end in itertools.pairwise([_ends(before)[k] // before[k], *inner])]
            factors |= dict(zip(inner, zip(split(atoms, axes[k], sizes), sizes, strict=True), strict=True))
        for k in outs:
            inner = [b for b in bounds if _ends(after)[k] // after[k] < b <= _ends(after)[k]]
            result[k] = merged(atoms, [factors[b][0] for b in inner], [factors[b][1] for b in inner])
    return result


def _ends(shape: Shape) -> list[int]:
    return list(itertools.accumulate(shape, lambda a, b: a * b))

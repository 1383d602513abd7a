"""Atoms: the entries of tensors' axes as the network computes them, and which of them exist only together.

Each entry along an axis of a weight or an activation is an atom. Operations equate atoms (an activation's channel and
the column that reads it), or say that an axis must stay whole (a softmax over it). A reshape makes the entries of one
axis the pairs of two others: a grid, which stays a grid only if whole rows go or whole columns, so one of the factors
is *live* and the others stay whole. What remains to be chosen after the trace is chosen so that most entries can go,
and most of them apart from each other.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

NOTHING = -1  # in place of an atom: an entry that stays, such as one of the images


@dataclass(frozen=True)
class Reason:
    """Why entries cannot be removed; ``of_norm``: only because a norm takes its statistics over them."""

    text: str
    of_norm: bool = False


OUTSIDE = Reason("they are combined with numbers that no layer makes")
REGROUPED = Reason("they are regrouped")


@dataclass(frozen=True)
class _Grid:
    """Atoms ``whole[a, b, ...]``, each removed if and only if its index of a factor is."""

    whole: np.ndarray
    factors: tuple[np.ndarray, ...]

    def along(self, factor: int) -> np.ndarray:
        """The factor's atom for each entry of ``whole``."""
        shape = [-1 if k == factor else 1 for k in range(len(self.factors))]
        return np.broadcast_to(self.factors[factor].reshape(shape), self.whole.shape).ravel()


@dataclass(frozen=True)
class Classes:
    """Atoms that are removed together have one class.

    Attributes:
        of: int64 [atoms].
        reasons: by class, why it cannot be removed.
    """

    of: np.ndarray
    reasons: dict[int, tuple[Reason, ...]]


class Atoms:
    """Collects what a trace says about atoms, which are the numbers 0, 1, ..."""

    def __init__(self) -> None:
        self.count = 0
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []
        self._fixed: list[tuple[np.ndarray, Reason]] = []
        self._grids: dict[tuple[bytes, ...], _Grid] = {}
        self._wholes: dict[tuple[bytes, ...], np.ndarray] = {}  # by the factors
        self._stays = self.new(1)
        self.fix(self._stays, OUTSIDE)

    def new(self, count: int) -> np.ndarray:
        """Atoms that did not exist: int64 [count]."""
        self.count += count
        return np.arange(self.count - count, self.count)

    def equate(self, ones: np.ndarray, others: np.ndarray, reason: Reason = OUTSIDE) -> None:
        """Say that atoms are removed together, pair by pair; beside ``NOTHING`` an atom stays, for this reason."""
        if ones is others:
            return
        both = (ones != NOTHING) & (others != NOTHING)
        differ = both & (ones != others)
        if differ.any():
            self._pairs.append((ones[differ], others[differ]))
        if not both.all():
            self.fix(np.concatenate([ones[~both], others[~both]]), reason)

    def fix(self, ids: np.ndarray, reason: Reason) -> None:
        """Say that atoms cannot be removed."""
        ids = ids[ids != NOTHING]
        if len(ids):
            self._fixed.append((ids, reason))

    def split(self, whole: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, ...]:
        """The factors of an axis whose entries are a grid of these sizes."""
        key = (whole.tobytes(), bytes(str(tuple(sizes)), "ascii"))
        if key not in self._grids:
            factors = tuple(self.new(size) for size in sizes)
            self._grids[key] = self._grid(whole, factors)
        return self._grids[key].factors

    def merged(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """The axis whose entries are the grid of these factors, the last one fastest."""
        key = tuple(factor.tobytes() for factor in factors)
        if key not in self._wholes:
            self.product(self.new(math.prod(map(len, factors))), factors)
        return self._wholes[key]

    def product(self, whole: np.ndarray, factors: Sequence[np.ndarray]) -> None:
        """Say that an axis is the grid of these factors."""
        grid = self._grid(whole, tuple(factors))
        self._grids[whole.tobytes(), *(factor.tobytes() for factor in factors)] = grid

    def _grid(self, whole: np.ndarray, factors: tuple[np.ndarray, ...]) -> _Grid:
        self._wholes.setdefault(tuple(factor.tobytes() for factor in factors), whole)
        whole, *kept = (np.where(ids == NOTHING, self._stays, ids) for ids in (whole, *factors))
        return _Grid(whole.reshape([len(factor) for factor in factors]), tuple(kept))

    def classes(self) -> Classes:
        """Choose a live factor of each grid, and find which atoms are removed together."""
        pending = list(self._grids.values())
        claimed: list[np.ndarray] = []
        while pending:
            labels, hard, soft = self._known()
            if sum(self._rest(grid, labels, hard) for grid in pending):
                continue
            chosen = {k: live for k, grid in enumerate(pending) if (live := _forced(grid, labels, hard)) is not None}
            if not chosen:
                chosen = _choices(pending, labels, hard, soft, claimed)
            for k, live in chosen.items():
                claimed += self._settle(pending[k], live)
            pending = [grid for k, grid in enumerate(pending) if k not in chosen]
        labels = self._known()[0]
        found: dict[int, dict[Reason, None]] = {}
        for ids, reason in self._fixed:
            for label in np.unique(labels[ids]).tolist():
                found.setdefault(label, {})[reason] = None
        return Classes(labels, {label: tuple(reasons) for label, reasons in found.items()})

    def _rest(self, grid: _Grid, labels: np.ndarray, hard: np.ndarray) -> bool:
        """Let factors stay along which the entries go together anyhow, if there is another; whether there were such."""
        free = _free(grid, labels, hard)
        together = labels[grid.whole]
        idle = [k for k in free if (together == together.take([0], axis=k)).all()]
        for k in idle if len(idle) < len(free) else ():
            self.fix(grid.factors[k], REGROUPED)
        return 0 < len(idle) < len(free)

    def _settle(self, grid: _Grid, live: int) -> list[np.ndarray]:
        """Let one factor be live and the others stay whole."""
        self._pairs.append((grid.whole.ravel(), grid.along(live)))
        for k, factor in enumerate(grid.factors):
            if k != live:
                self.fix(factor, REGROUPED)
        return [grid.factors[live]]

    def _known(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each atom's class so far, and whether each class stays; because of a norm."""
        ones, others = (np.concatenate([pair[k] for pair in self._pairs] or [self._stays]) for k in (0, 1))
        self._pairs = [(ones, others)]
        links = coo_matrix((np.ones(len(ones), np.int8), (ones, others)), (self.count, self.count))
        number, labels = connected_components(links, directed=False)
        stays = np.zeros((2, number), bool)
        for ids, reason in self._fixed:
            stays[int(reason.of_norm), labels[ids]] = True
        return labels, stays[0], stays[1]


def _forced(grid: _Grid, labels: np.ndarray, hard: np.ndarray) -> int | None:
    """The factor that is live because all others stay anyhow (the first one if all do); None: there is a choice."""
    free = _free(grid, labels, hard)
    return None if len(free) > 1 else free[0] if free else 0


def _free(grid: _Grid, labels: np.ndarray, hard: np.ndarray) -> list[int]:
    """The factors of which some entry may go."""
    return [k for k, factor in enumerate(grid.factors) if not hard[labels[factor]].all()]


def _choices(
    grids: Sequence[_Grid], labels: np.ndarray, hard: np.ndarray, soft: np.ndarray, claimed: Iterable[np.ndarray]
) -> dict[int, int]:
    """Live factors of grids that have a choice, as far as they do not meet; the first grid is always among them."""
    lives = np.zeros(len(hard), bool)  # classes that are live in a grid already
    for ids in claimed:
        lives[labels[ids]] = True
    lives &= ~hard
    met = np.zeros(len(hard), bool)
    chosen = {}
    for number, grid in enumerate(grids):
        touched = np.unique(np.concatenate([labels[ids.ravel()] for ids in (grid.whole, *grid.factors)]))
        if not met[touched[~hard[touched]]].any():
            chosen[number] = _best(grid, labels, hard, soft, lives)
        met[touched] = True
    return chosen


def _best(grid: _Grid, labels: np.ndarray, hard: np.ndarray, soft: np.ndarray, lives: np.ndarray) -> int:
    """The factor whose choice stops no live one, needs no norm over fewer entries, and lets most entries go, apart."""

    def merit(live: int) -> tuple[bool, bool, int, int]:
        spares = not any(lives[labels[factor]].any() for k, factor in enumerate(grid.factors) if k != live)
        exact = not soft[labels[grid.factors[live]]].any()
        return spares, exact, int((~hard[labels[grid.along(live)]]).sum()), _apart(grid, live, labels)

    return max(_free(grid, labels, hard), key=merit)


def _apart(grid: _Grid, live: int, labels: np.ndarray) -> int:
    """The number of classes that the entries of a grid would form."""
    _, numbers = np.unique(labels[np.concatenate([grid.whole.ravel(), grid.along(live)])], return_inverse=True)
    ones, others = np.split(numbers, 2)
    links = coo_matrix((np.ones(len(ones), np.int8), (ones, others)), (numbers.max() + 1,) * 2)
    return int(connected_components(links, directed=False)[0])

"""Units ranked together, and where each is cut."""

import numpy as np
import pytest

from apcli.allocations.units import Unit
from apcli.checkpoints.files.entries import Entry
from apcli.selection import ranked as module
from apcli.selection.ranked import Ranked
from apcli.selection.rankings import ScoreRanking


def ranked_of(scores):
    ones = {name: np.ones(x.size) for name, x in scores.items()}
    return Ranked({n: ScoreRanking(x, Entry("F64", x.shape, ones[n].view(np.uint8))) for n, x in scores.items()})


SCORES = {"a": np.array([3.0, 1, 2, 9]), "b": np.array([1.0, 5, 4]), "c": np.array([8.0, 1])}


def units(**least):
    return [Unit(name, x.size, x.shape, least.get(name, 0)) for name, x in SCORES.items()]


@pytest.mark.parametrize(
    ("removed", "least", "counts"),
    [
        (0, {}, [0, 0, 0]),
        (2, {}, [1, 1, 0]),  # of three ones the first two
        (5, {}, [3, 1, 1]),
        (9, {}, [4, 3, 2]),
        (5, {"a": 3}, [1, 3, 1]),
        (4, {"a": 3, "b": 2}, [1, 1, 2]),  # the 8 of c: all others must stay
    ],
)
def test_the_lowest_of_all(removed, least, counts):
    assert list(ranked_of(SCORES).lowest(units(**least), removed).values()) == counts


def test_what_can_go_is_the_most(caplog):
    assert ranked_of(SCORES).lowest(units(a=4, b=3), 5) == {"a": 0, "b": 0, "c": 2}
    assert "--min-keep allows 2 to be removed, fewer than the requested 5" in caplog.text


def test_a_cut_that_was_made_together_is_made_once(monkeypatch):
    passes = []
    made = module.cuts
    monkeypatch.setattr(module, "cuts", lambda *a: passes.append(a) or made(*a))
    ranked = ranked_of(SCORES)
    counts = ranked.lowest(units(), 5)
    for name, count in counts.items():
        kept = ranked.cut(name, count).kept(ranked.rankings[name].ranks(0, SCORES[name].size), 0)
        assert kept.tolist() == (np.argsort(np.argsort(SCORES[name], kind="stable")) >= count).tolist()
    assert len(passes) == 1
    assert ranked.cut("a", 1).removed == 1
    assert len(passes) == 2

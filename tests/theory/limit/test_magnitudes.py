"""What the masks of the largest weights keep and remove."""

import numpy as np

from apcli.theory.limit.magnitudes import magnitudes


def test_squares_are_those_of_the_removed_weights():
    found = magnitudes(np.array([2, -1, 0.5, 0.25, -0.1, 0.05]))
    np.testing.assert_allclose(found.squares, [5.325, 1.325, 0.325, 0.075, 0.0125, 0.0025, 0], rtol=1e-14)
    assert (found.size, found.fixed) == (6, 0)


def test_masks_of_any_size():
    draw = np.random.default_rng(0)
    weights, prunable = draw.normal(size=50), draw.random(50) < 0.7
    found = magnitudes(weights, prunable)
    count = int(prunable.sum())
    assert (found.fixed, len(found.order), len(found.squares)) == (50 - count, count, count + 1)
    for k in (0, 1, 17, count):
        kept = found.kept(k)
        assert kept[~prunable].all()
        assert kept[prunable].sum() == k
        assert np.isclose(found.squares[k], np.sum(weights[~kept] ** 2), rtol=1e-13, atol=0)
        assert found.threshold(k) == np.abs(weights[prunable & kept]).min(initial=np.inf)
        assert np.abs(weights[~kept]).max(initial=0) < found.threshold(k)


def test_small_squares_are_not_lost_beside_large_ones():
    weights = np.append(np.full(1000, 1e-9), 1e3)
    assert np.isclose(magnitudes(weights).squares[1], 1e-15, rtol=1e-12, atol=0)


def test_the_first_of_equal_weights_goes_last():
    assert magnitudes(np.array([1.0, -1, 1, 2])).order.tolist() == [3, 0, 1, 2]


def test_the_fewest_from_which_on_something_holds():
    found, asked = magnitudes(np.arange(1.0, 1001)), []
    for limit in (0, 1, 333, 999, 1000, 5000):
        assert found.fewest(lambda k, limit=limit: asked.append(k) or k >= limit) == min(limit, 1000)
    assert max(asked) < 1000  # all of them remove nothing: nobody asks
    assert len(asked) <= 6 * 10


def test_where_it_holds_and_holds_not_again_one_of_the_beginnings_is_found():
    found = magnitudes(np.arange(10, 0, -1.0))
    for meets in (lambda k: k == 2 or k >= 8, lambda k: k == 4 or k >= 9):
        k = found.fewest(meets)
        assert meets(k)
        assert not meets(k - 1)


def test_a_guess_saves_tries_and_changes_nothing():
    found = magnitudes(np.arange(1.0, 1001))
    for limit in (0, 1, 5, 333, 999, 1000):
        for guess in (0, 1, 7, 300, 340, 999):
            asked = []
            assert found.fewest(lambda k, limit=limit, asked=asked: asked.append(k) or k >= limit, guess=guess) == limit
            assert len(set(asked)) == len(asked), "nothing is asked twice"
            assert all(0 <= k < 1000 for k in asked)
            if guess == 340 and limit == 333:
                assert len(asked) <= 9
    assert magnitudes(np.array([])).fewest(lambda k: True, guess=0) == 0


def test_a_search_that_stops_early_is_above_by_no_more_than_it_may():
    found = magnitudes(np.arange(1.0, 1001))
    for limit in (0, 3, 200, 777, 1000):
        for guess in (None, 250):
            asked = []
            kept = found.fewest(
                lambda k, limit=limit, asked=asked: asked.append(k) or k >= limit, guess=guess, within=0.1
            )
            assert limit <= kept <= max(limit, 1) / 0.9
    assert len(asked) < 10

"""The time of a layer by its width."""

import numpy as np
import pytest

from apcli.theory.widths.times import fitted

SHARES = [0.25, 0.5, 0.75, 1.0]


def test_a_time_of_the_form_is_found_again():
    rows, columns = (part.ravel().tolist() for part in np.meshgrid(SHARES, SHARES))
    taken = [1e-4 + 2e-4 * r + 3e-4 * c + 5e-4 * r * c for r, c in zip(rows, columns, strict=True)]
    found = fitted(rows, columns, taken)
    assert (found.fixed, found.by_rows, found.by_columns, found.by_both) == pytest.approx((1e-4, 2e-4, 3e-4, 5e-4))
    assert found.full == pytest.approx(11e-4)
    assert found.error < 1e-9


def test_columns_that_are_always_the_same_do_not_enter():
    found = fitted(SHARES, [1.0] * 4, [2 + 3 * share for share in SHARES])
    assert (found.fixed, found.by_rows, found.by_columns, found.by_both) == pytest.approx((2, 3, 0, 0))


def test_a_smaller_layer_is_never_slower():
    """Times that fall with the width are noise, and stay constant here: the program has to be convex."""
    found = fitted(SHARES, SHARES, [2.0, 1.9, 1.8, 1.7])
    assert min(found.fixed, found.by_rows, found.by_columns, found.by_both) >= 0
    assert 1.7 < found.full < 2.0
    assert 0 < found.error < 0.2

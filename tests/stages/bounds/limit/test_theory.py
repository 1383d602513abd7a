"""The theory as the stage calls it: of a dense file alone, and of a pair."""

import pytest
from measured_pairs import by_statement, measured

from apcli.stages.bounds import THEORIES
from apcli.stages.bounds.limit.theory import limit, limits_of


@pytest.mark.parametrize("alone", [True, False])
def test_statements_about_a_file_and_about_a_pair(dense, pruned, alone):
    pair = measured(dense, dense if alone else pruned, layers="fc5", split="train", images=50)
    parameters = THEORIES.parse("limit:eps=rel-0.2:steps=10:adjust=5:within=0.1").parameters
    stated = list(limit(pair, **parameters))
    found = by_statement(stated)
    assert next(iter(found)) == "published limit"
    assert len(found) == len(stated) == 7
    assert {one.evaluated["images"] for one in stated} == {50}
    measured_share = found["published limit"].measured
    assert measured_share == (found["one-shot, no adjustment"].value if alone else 0.5)
    assert found["best point on the mask"].value <= 1.1 * found["one-shot, no adjustment"].value


def test_the_limits_of_a_dense_file_are_found_once(dense, pruned, limits):
    first = measured(dense, pruned, layers="fc5", images=20)
    second = measured(dense, dense, layers="fc5", images=20)
    second._networks = first._networks
    assert limits_of(first, limits.settings) is limits_of(second, limits.settings)

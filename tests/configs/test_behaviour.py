"""Options of `behaviour`: which are refused."""

import pytest

from apcli.configs.behaviour import BehaviourConfig
from apcli.errors import UsageError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "validation"}, "--split is 'validation'"),
        ({"images": -1}, "--images is -1"),
        ({"validation": 1.0}, "--validation is 1"),
        ({"validation": 20}, "as 0.2 for 20 %"),
        ({"batch_size": 0}, "--batch-size is 0"),
    ],
)
def test_ranges(options, words):
    with pytest.raises(UsageError, match=words):
        BehaviourConfig(**options)

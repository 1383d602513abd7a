"""The options of ``bounds``: ranges."""

import pytest

from apcli.configs.bounds import BoundsConfig
from apcli.errors import UsageError


@pytest.mark.parametrize("options", [{"split": "all"}, {"images": -1}, {"batch_size": 0}, {"seed": -1}])
def test_out_of_range_is_refused(options):
    (name,) = options
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is"):
        BoundsConfig(**options)
    assert BoundsConfig().theory == "ap3"

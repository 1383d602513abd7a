"""The table of shifts: its rows and severities."""

import pytest
import torch

from apcli.data.shifts import SEVERITIES, SHIFTS
from apcli.errors import UsageError
from apcli.registry.tables import Choice


@pytest.mark.parametrize("name", SHIFTS.names)
@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (2, 1, 8, 8), (1, 3, 80, 70)])
def test_every_shift_grows_with_its_severity(name, shape):
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).float()
    before, far = images.clone(), [0.0]
    for severity in range(1, 6):
        choice = Choice(SHIFTS.row(name), {"severity": severity})
        once, again = (choice(images, shape[2:], torch.Generator().manual_seed(1)) for _ in range(2))
        assert torch.equal(once, again)
        assert once.shape == images.shape
        assert torch.equal(once, once.round())
        assert 0 <= once.min() <= once.max() <= 255
        far.append((once - images).square().mean().item())
    assert far == sorted(far)
    assert torch.equal(images, before)


def test_severities():
    assert SHIFTS.parse("noise").parameters == {"severity": "1..5"}
    assert list(SEVERITIES.numbers("1..5")) == [1, 2, 3, 4, 5]
    with pytest.raises(UsageError, match=r"shift parameter noise:severity is '6': expected a whole number, or all"):
        SHIFTS.parse("noise:severity=6")
    with pytest.raises(UsageError, match="here it is 'blur'"):
        SHIFTS.parse("gaussian_blur")

"""Small networks for the stages, and divergence records of a small, plausible experiment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from grids import made_once

from apcli.records.divergence import DivergenceRecord

HIDDEN = (100, 80, 60, 40)  # of fc5


@pytest.fixture(autouse=True, scope="module")
def small_networks() -> Iterator[None]:
    """The project's networks, narrower and of fewer layers: what a stage does with them does not depend on that."""
    from apcli.models import fully_connected, resnet_cifar

    whole = resnet_cifar._resnet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fully_connected, "FC5_HIDDEN", HIDDEN)
        patch.setattr(resnet_cifar, "_resnet", lambda depth, classes, size: whole(8, classes, size))
        yield


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fc5 after two epochs on the digits."""
    from short_trainings import trained

    return trained(tmp_path_factory.mktemp("dense"), lr=0.05)


@pytest.fixture(scope="module")
def pruned(dense: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with half of its last two layers removed."""
    from prunings import run

    (path,) = run(dense, 0.5, layers="fc4,fc5", folder=tmp_path_factory.mktemp("pruned"))
    return path


@pytest.fixture
def records() -> list[DivergenceRecord]:
    return made_once()


@pytest.fixture(scope="session")
def make_grid() -> Callable[..., list[DivergenceRecord]]:
    return made_once

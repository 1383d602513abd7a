"""Runs of the stages: a result leaves before the next checkpoint is asked for, and nonsense is refused at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from short_trainings import quiet

from apcli.api import runs
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.headers import KEY
from apcli.checkpoints.reading import read
from apcli.configs.describe import CostsConfig
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError, VerificationError
from apcli.stages.outputs import Outputs

HALF = PruneConfig((0.5,))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    draw = np.random.default_rng(2)
    paths = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for path in paths:
        save_file({"fc.weight": draw.standard_normal((4, 6)).astype(np.float32)}, path)
    return paths


@pytest.fixture
def arriving(files: list[Path]) -> tuple[list[str], Iterator[Checkpoint]]:
    """What was asked for so far, and the checkpoints as they arrive."""
    asked: list[str] = []

    def arrive() -> Iterator[Checkpoint]:
        for path in files:
            asked.append(path.stem)
            yield read(path)

    return asked, arrive()


def test_a_pruned_file_is_there_before_the_next_is_asked_for(arriving: Any, tmp_path: Path) -> None:
    asked, sources = arriving
    made = runs.prune(HALF, sources, Outputs(tmp_path / "out"), quiet)
    assert asked == []
    for name in "ab":
        path = next(made)
        assert path == tmp_path / "out" / f"{name}.lowest-0.5.safetensors"
        assert asked[-1] == name
        assert (load_file(path)["fc.weight"] == 0).sum() == 12
    assert list(made) == []


def test_a_plan_says_the_same_paths_and_writes_nothing(arriving: Any, files: list[Path], tmp_path: Path) -> None:
    _, sources = arriving
    planned = [plan.path for plan in runs.plan(HALF, sources, Outputs(tmp_path / "out"), quiet)]
    assert not (tmp_path / "out").exists()
    made = runs.prune(HALF, map(read, files), Outputs(tmp_path / "out"), quiet)
    assert list(map(str, planned)) == list(map(str, made))


def test_a_wrong_request_is_refused_before_a_checkpoint_is_asked_for(arriving: Any, tmp_path: Path) -> None:
    asked, sources = arriving
    with pytest.raises(UsageError, match="unknown method"):
        next(runs.prune(PruneConfig((0.5,), method="lowset"), sources, Outputs(tmp_path), quiet))
    with pytest.raises(UsageError, match="unknown distribution"):
        runs.divergence(DivergenceConfig(dist="gausian"), ((source, source) for source in sources), quiet)
    assert asked == []


def test_pairs_are_measured_as_they_arrive(arriving: Any) -> None:
    asked, sources = arriving
    measured = runs.divergence(DivergenceConfig(dist="ap2"), ((source, source) for source in sources), quiet)
    before, after, records = next(measured)
    assert (before, asked) == (after, ["a"])
    assert {(record.layer, record.value) for record in records} == {("fc", 0.0), ("*", 0.0)}


def test_a_file_that_lost_its_zeros_is_described_and_ends_the_run(files: list[Path], tmp_path: Path) -> None:
    (path,) = runs.prune(HALF, [read(files[0])], Outputs(tmp_path), quiet)
    promised = {KEY: read(path).metadata[path][KEY]}
    save_file({"fc.weight": np.ones((4, 6), np.float32)}, tmp_path / "lost.safetensors", promised)
    described = runs.describe(CostsConfig(macs=False), [read(tmp_path / "lost.safetensors"), read(path)], quiet)
    assert next(described).path.endswith("lost.safetensors")
    with pytest.raises(VerificationError):
        next(described)

"""The same command makes the same bytes: again, on two threads where that is promised, and in a process of its own."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Each stage, with what it reads; its files and its lines are compared. ``report`` of the same records is the same page.
STAGES = {
    "prune": "prune base --sparsity 0.3,0.8 --method lowest,highest,random -o OUT",
    "prune to a bit mask": "prune base --sparsity 0.9 --storage bitmask -o OUT",
    "prune n:m": "prune base --structure 2:4 -o OUT",
    "divergence": "divergence p --dense base --dist ap2,gaussian,student-t,laplace --json",
    "bounds": "bounds base p --json",
    "report": "report r.jsonl -o OUT/r.html --figures OUT/figures",
    "report of files": "report --json p base",
}
TRAINED = {
    "train": "train fc5 --epochs 2 --images 200 -o OUT/t.safetensors",
    "finetune": "finetune p --epochs 2 --images 200 --trace all -o OUT/f.safetensors",
    "prune by data": "prune base --method taylor,fisher --sparsity 0.5 --images 50 -o OUT",
    "divergence on data": "divergence p --dense base --dist gaussian:cov=activation --layers fc5 --images 50 --json",
}


@pytest.fixture
def made(shell: Any) -> Any:
    assert shell("train fc5 --epochs 1 --images 200 -o base.safetensors -q").code == 0
    assert shell("prune base --sparsity 0.5 -o p.safetensors -q").code == 0
    records = shell("divergence p --dense base --dist ap2,gaussian --json -q")
    (shell.folder / "r.jsonl").write_bytes(records.raw)
    return shell


def outcome(shell: Any, command: str, place: str, **environment: str) -> tuple[str, dict[str, bytes]]:
    """What a command prints and the files that it makes; the place that they are in is no part of either."""
    result = shell(f"{command} -q".replace("OUT", place), **environment)
    assert result.code == 0, result.err
    folder = shell.folder / place
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    made = {name: path.read_bytes() for name, path in files.items()}
    assert made or result.out
    return result.out.replace(place, "OUT"), made


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_twice(made: Any, name: str) -> None:
    first = outcome(made, STAGES[name], "place-1")
    assert outcome(made, STAGES[name], "place-2") == first
    assert outcome(made, STAGES[name], "place-3", PYTHONHASHSEED="7") == first, "in a process of its own"


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINED)
def test_a_stage_that_runs_networks_twice(made: Any, name: str) -> None:
    first = outcome(made, TRAINED[name], "place-1")
    assert outcome(made, TRAINED[name], "place-2") == first
    assert outcome(made, TRAINED[name], "place-3", PYTHONHASHSEED="7") == first, "in a process of its own"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prune", "prune to a bit mask", "prune n:m", "report of files"])
def test_weights_are_pruned_alike_on_any_number_of_threads(made: Any, name: str) -> None:
    first = outcome(made, STAGES[name], "place-1")
    for threads in ("1", "2"):
        own = outcome(made, STAGES[name], f"place-of-{threads}", PYTHONHASHSEED="0", OMP_NUM_THREADS=threads)
        assert own == first


@pytest.mark.slow
def test_no_place_and_no_time_is_in_a_file(made: Any) -> None:
    made("prune base --sparsity 0.3 -o q.safetensors -q")
    for path in made.folder.glob("*.safetensors"):
        header = path.read_bytes()[:20_000]
        assert str(made.folder).encode() not in header
        assert not re.search(rb"20\d\d-\d\d-\d\d", header)


@pytest.mark.gpu
@pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["train", "finetune"])
def test_a_stage_twice_on_a_gpu(made: Any, name: str) -> None:
    command = f"{TRAINED[name]} --device cuda --deterministic"
    assert outcome(made, command, "place-1") == outcome(made, command, "place-2")


def test_random_pruning_does_not_depend_on_the_other_layers(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("base.safetensors", plain)
    for number, layers in enumerate(("fc1,fc2", "fc1")):
        command = f"prune base --method random --sparsity 0.5 --layers {layers} -o {number}.safetensors -q"
        assert shell(command).code == 0
    both, alone = (shell.tensors(f"{number}.safetensors")["fc1.weight"] for number in range(2))
    assert np.array_equal(both, alone)

"""The paper's grid: its workflow plans every scale, and the smallest one runs, is killed, and does what is missing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import COMMANDS, words_of
from PIL import Image

import apcli
from apcli.data.datasets import load

PAPER = Path(__file__).parents[1] / "examples" / "paper"
SCALES = yaml.safe_load((PAPER / "config.yaml").read_text())["scales"]
WORKFLOW = [sys.executable, "-m", "snakemake", "--snakefile", str(PAPER / "Snakefile"), "--cores", "2"]
SMOKE = ["--config", "scale=smoke"]
JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)

needs_snakemake = pytest.mark.skipif(find_spec("snakemake") is None, reason="needs Snakemake: pip install apcli[paper]")


def snakemake(folder: Path, environment: dict[str, str], *options: str) -> str:
    """What a run says that has to succeed."""
    done = subprocess.run(
        [*WORKFLOW, *options],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def jobs_in(plan: str) -> dict[str, int]:
    """The number of jobs of each rule that a dry run lists; none if there is nothing to do."""
    return {rule: int(number) for rule, number in JOBS.findall(plan)}


@needs_snakemake
@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_the_workflow_plans_the_whole_grid(scale: str, tmp_path: Path, environment: dict[str, str]) -> None:
    plan = snakemake(tmp_path, environment, "--dry-run", "--config", f"scale={scale}")
    s = SCALES[scale]
    networks = len(s["data"]) * len(s["models"]) * len(s["seeds"])
    cells = networks * len(s["methods"]) * len(s["sparsities"])
    jobs = jobs_in(plan)
    assert jobs.pop("total") == sum(jobs.values())
    assert jobs == {
        **dict.fromkeys(("train", "divergence", "describe"), networks),
        **dict.fromkeys(("prune", "finetune"), cells),
        "fetch": len(s["data"]),
        "report": 1,
    }
    commands = [words for line in re.findall(r"^Shell command: (.*)", plan, re.MULTILINE) for words in words_of(line)]
    assert Counter(name for _, name, *_ in commands) == {
        "train": networks + len(s["data"]),
        "prune": cells,
        "finetune": cells,
        "divergence": networks,
        "report": networks + 1,
    }
    for program, name, *options in commands:
        assert program == "apcli"
        assert COMMANDS[name].make_context(name, options).params
    assert list(tmp_path.glob("[!.]*")) == []


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "networks").iterdir()}


def killed(folder: Path, environment: dict[str, str]) -> int:
    """Start the workflow, and kill it with its jobs once some networks are fine-tuned; how many jobs were done."""
    log = folder / "first.log"
    streams: Any = {"stdin": subprocess.DEVNULL, "stdout": log.open("w"), "stderr": subprocess.STDOUT}
    with subprocess.Popen([*WORKFLOW, *SMOKE], cwd=folder, env=environment, process_group=0, **streams) as run:
        end = time.monotonic() + 1200
        while run.poll() is None and time.monotonic() < end and len(list(folder.glob("networks/*.finetuned.*"))) < 24:
            time.sleep(0.1)
        assert run.poll() is None, log.read_text()[-3000:]
        os.killpg(run.pid, signal.SIGKILL)
    return int(re.findall(r"^(\d+) of \d+ steps", log.read_text(), re.MULTILINE)[-1])


@needs_snakemake
@pytest.mark.long
def test_a_killed_run_does_what_is_missing_and_ends_as_the_pipeline_does(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """The smallest grid, as a workflow and as five piped lines: the same files, byte for byte."""
    workflow, pipeline = tmp_path / "workflow", tmp_path / "pipeline"
    workflow.mkdir()

    def planned(folder: Path, *options: str) -> dict[str, int]:
        return jobs_in(snakemake(folder, environment, "--dry-run", *SMOKE, *options))

    total = planned(workflow)["total"]
    done = killed(workflow, environment)
    before = {path: path.stat().st_mtime_ns for path in workflow.glob("networks/[!.]*")}  # no file half written
    snakemake(workflow, environment, "--unlock", *SMOKE)
    assert 0 <= total - done - planned(workflow)["total"] <= 2, "each of the two jobs at work may have ended unseen"
    snakemake(workflow, environment, *SMOKE)
    again = [path.name for path, written in before.items() if path.stat().st_mtime_ns != written]
    assert len(again) <= 4, "a network and its trace of each of the two jobs"
    assert planned(workflow) == {}
    added = {"prune": 16, "finetune": 16, "divergence": 4, "describe": 4, "report": 1, "total": 41}
    assert planned(workflow, "methods=[lowest,highest,random,lamp]") == added

    command = ["bash", str(PAPER / "grid.sh"), "smoke", str(pipeline)]
    assert subprocess.run(command, env=environment, capture_output=True, timeout=900, check=False).returncode == 0
    assert bytes_in(workflow) == bytes_in(pipeline)
    for folder in (workflow, pipeline):
        assert {path.suffix for path in folder.glob("report.*")} >= {".html", ".md", ".csv"}
        assert list(folder.glob("figures/*.pdf"))
    (pipeline / "report.html").unlink()
    assert planned(pipeline).keys() == {"divergence", "describe", "report", "total"}


@pytest.mark.long
def test_the_last_layers_of_the_paper_s_networks_are_found(tmp_path: Path) -> None:
    """Untrained ones: no weights are fetched."""
    sizes = {}
    for name in {name for scale in ("paper", "extended") for name in SCALES[scale]["models"]}:
        options = {"epochs": 0, "input_size": 64, "images": 20, "split": "test", "device": "cpu"}
        [dense] = apcli.train(name, data="digits", output=tmp_path / "dense.safetensors", **options)
        [plan] = apcli.plan(dense, layers="last", sparsity=0.1)
        [share] = plan.shares
        sizes[name.partition(":")[2]] = (share.name, share.size, share.most)
        Path(dense.path).unlink()  # up to half a gigabyte
    assert sizes == {
        "alexnet": ("classifier.6", 40960, 4096),
        "vgg16": ("classifier.6", 40960, 4096),
        "resnet50": ("fc", 20480, 2048),
        "vit_tiny_patch16_224": ("head", 1920, 192),
    }


def test_tiny_imagenet_is_sorted_once(tmp_path: Path) -> None:
    folder = tmp_path / "tiny-imagenet-200"
    names = ["n01", "n02"]
    places = [folder / "train" / name / "images" / f"{name}_0.JPEG" for name in names]
    places += [folder / "val" / "images" / f"val_{number}.JPEG" for number in range(len(names))]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(place)
    lines = (f"val_{number}.JPEG\t{name}\t0\t0\t9\t9\n" for number, name in enumerate(names))
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    for _ in range(2):
        subprocess.run(["bash", str(PAPER / "tiny-imagenet.sh"), str(folder)], check=True)
    sorted_in = sorted(path.relative_to(folder / "val").as_posix() for path in folder.glob("val/*/*"))
    assert sorted_in == ["n01/val_0.JPEG", "n02/val_1.JPEG"]
    dataset = load(f"folder:{folder}", Path())
    assert (dataset.classes, len(dataset.train.labels), len(dataset.test.labels)) == (2, 2, 2)

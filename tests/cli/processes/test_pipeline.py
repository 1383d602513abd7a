"""The main job, once, stage after stage; and again, through real pipes, for the same bytes."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow  # a whole pipeline, once for all

METHODS, SPARSITIES = ("lowest", "highest", "random"), (0.3, 0.8)
GRID = list(product(METHODS, SPARSITIES))
DENSE = "fc5-digits.safetensors"
LAYERS = {f"fc{i}": size for i, size in enumerate((64 * 1000, 1000 * 600, 600 * 300, 300 * 100, 100 * 10), 1)}

STAGES = {
    "train": "train fc5 --data digits --epochs 1",
    "prune": "prune --method lowest,highest,random --sparsity 0.3,0.8",
    "finetune": "finetune --epochs 1 --lr .01",
    "divergence": "divergence",
    "report": "report -o report.html",
}
# What leaves each stage is kept on its way.
PIPELINE = " | ".join(f"apcli {command} 2>{stage}.err | tee {stage}.out" for stage, command in STAGES.items())
PIPELINE += '; echo "${PIPESTATUS[@]}" >codes'


@dataclass(frozen=True)
class Run:
    folder: Path

    def said(self, stage: str) -> list[str]:
        return (self.folder / f"{stage}.err").read_text().splitlines()

    def gave(self, stage: str) -> list[str]:
        return (self.folder / f"{stage}.out").read_text().splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.gave("divergence")]

    def lineage(self, name: str) -> dict[str, Any]:
        with safe_open(self.folder / name, "numpy") as file:
            return json.loads(file.metadata()["apcli"])


def pruned_name(method: str, sparsity: float, finetuned: bool = False) -> str:
    return f"fc5-digits.{method}-{sparsity}{'.finetuned' if finetuned else ''}.safetensors"


@pytest.fixture(scope="session")
def run_pipeline(open_shell: Callable[[Path], Any]) -> Callable[[Path], Run]:
    """Run the stages in this process: what one prints, the next one reads."""

    def run(folder: Path) -> Run:
        folder.mkdir(exist_ok=True)
        shell, given, codes = open_shell(folder), b"", []
        for stage, command in STAGES.items():
            result = shell(command, given)
            (folder / f"{stage}.err").write_text(result.err)
            (folder / f"{stage}.out").write_bytes(result.raw)
            given = result.raw
            codes += [result.code] * 2  # of the stage, and of `tee` where there is one
        (folder / "codes").write_text(" ".join(map(str, codes)))
        return Run(folder)

    return run


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory, run_pipeline: Callable[[Path], Run]) -> Run:
    """One run for the whole session, whoever of the test processes comes first makes it. Only to be looked at."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "pipeline.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "pipeline" / "codes").exists():
            run_pipeline(shared / "pipeline")
    return Run(shared / "pipeline")


@pytest.fixture
def own_copy(pipeline: Run, tmp_path: Path) -> Path:
    """The finished run's files, to run on top of. Checkpoints are links: a stage replaces files, it changes none."""
    return Path(shutil.copytree(pipeline.folder, tmp_path / "again", copy_function=link_or_copy))


def link_or_copy(source: str, target: str) -> None:
    (os.link if source.endswith(".safetensors") else shutil.copy2)(source, target)


def test_every_stage_succeeds_and_says_a_line_for_each_checkpoint(pipeline: Run) -> None:
    assert (pipeline.folder / "codes").read_text().split() == ["0"] * 10
    for stage in ("train", "prune", "finetune"):
        lines = pipeline.said(stage)
        if stage != "prune":
            assert lines.pop(0).startswith("apcli: fc5 takes images of 1x8x8 ")
            epochs = [line for line in lines if ": epoch " in line]
            assert epochs, "where no line of progress is shown, each epoch is a line"
            lines = [line for line in lines if line not in epochs]
        for path, line in zip(pipeline.gave(stage), lines, strict=True):
            assert line.startswith(f"apcli: {path}: ")
    assert pipeline.said("divergence") == []


def test_stages_print_the_paths_of_whole_files_and_nothing_else(pipeline: Run) -> None:
    assert pipeline.gave("train") == [DENSE]
    assert pipeline.gave("prune") == [pruned_name(*cell) for cell in GRID]
    assert pipeline.gave("finetune") == [pruned_name(*cell, finetuned=True) for cell in GRID]
    shapes = {name: tensor.shape for name, tensor in load_file(pipeline.folder / DENSE).items()}
    for path in pipeline.gave("prune") + pipeline.gave("finetune"):
        assert {name: tensor.shape for name, tensor in load_file(pipeline.folder / path).items()} == shapes


def test_nothing_is_left_beside_the_products(pipeline: Run) -> None:
    products = {DENSE, "report.html", *pipeline.gave("prune"), *pipeline.gave("finetune")}
    products |= {name.replace(".safetensors", ".trace.safetensors") for name in pipeline.gave("finetune")}
    notes = {f"{stage}.{stream}" for stage in STAGES for stream in ("out", "err")} | {"codes"}
    assert {path.name for path in pipeline.folder.iterdir()} == products | notes


@pytest.mark.parametrize(("method", "sparsity"), GRID)
def test_pruned_layers_have_exactly_the_zeros_asked_for(pipeline: Run, method: str, sparsity: float) -> None:
    dense = load_file(pipeline.folder / DENSE)
    pruned = load_file(pipeline.folder / pruned_name(method, sparsity))
    tuned = load_file(pipeline.folder / pruned_name(method, sparsity, finetuned=True))
    for layer, size in LAYERS.items():
        before, after = dense[f"{layer}.weight"], pruned[f"{layer}.weight"]
        gone = after == 0
        assert gone.sum() == round(sparsity * size)
        assert np.array_equal(after[~gone].view(np.uint32), before[~gone].view(np.uint32))
        lost, left = np.abs(before[gone]), np.abs(before[~gone])
        if method == "random":
            assert lost.min() < left.max()
            assert left.min() < lost.max()
        else:
            assert lost.max() <= left.min() if method == "lowest" else lost.min() >= left.max()
        assert np.array_equal(tuned[f"{layer}.weight"] == 0, gone)
        assert not np.array_equal(tuned[f"{layer}.weight"], after)
        assert np.array_equal(pruned[f"{layer}.bias"], dense[f"{layer}.bias"])


@pytest.mark.parametrize("stage", ["prune", "finetune"])
def test_lineage_says_what_the_tensors_are(pipeline: Run, stage: str) -> None:
    for (method, sparsity), path in zip(GRID, pipeline.gave(stage), strict=True):
        lineage, tensors = pipeline.lineage(path), load_file(pipeline.folder / path)
        assert lineage["stage"] == stage
        assert lineage["dense"]["path"] == DENSE
        assert [step["stage"] for step in lineage["settings"]] == ["train", "prune", "finetune"][
            : 2 + (stage == "finetune")
        ]
        assert list(lineage["pruned"]) == [f"{layer}.weight" for layer in LAYERS]
        for tensor, promise in lineage["pruned"].items():
            zeros = int((tensors[tensor] == 0).sum())
            assert promise["zeros"] == zeros
            assert promise["actual"] == zeros / tensors[tensor].size
            assert (promise["method"], promise["requested"]) == (method, sparsity)


def test_header_holds_two_things_and_no_trace_of_this_machine(pipeline: Run) -> None:
    for path in pipeline.folder.glob("*.safetensors"):
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
        assert metadata.keys() == {"format", "apcli"}
        assert metadata["format"] == "pt"
        assert str(pipeline.folder.parent) not in metadata["apcli"]
        assert os.uname().nodename not in metadata["apcli"]


def test_records_cover_the_grid(pipeline: Run) -> None:
    records = pipeline.records
    found = [
        (r["method"], r["sparsity"]["requested"], r["epoch"], r["dist"], r["layer"])
        for r in records
        if (r["kind"], r["version"], r["model"], r["data"], r["seed"]) == ("divergence", 1, "fc5", "digits", 0)
    ]
    epochs, dists, layers = (None, 0, 1), ("ap2", "gaussian", "student-t"), (*LAYERS, "*")
    assert sorted(found, key=str) == sorted(
        ((*cell, *rest) for cell in GRID for rest in product(epochs, dists, layers)), key=str
    )
    assert {(r["layer"], r["dim"]) for r in records} == {*LAYERS.items(), ("*", sum(LAYERS.values()))}
    assert {(r["dist"], r["measure"]) for r in records} == {("ap2", "ap2"), ("gaussian", "kl"), ("student-t", "kl")}


def test_records_follow_the_weights_from_epoch_to_epoch(pipeline: Run) -> None:
    dense = load_file(pipeline.folder / DENSE)
    for method, sparsity in GRID:
        before = load_file(pipeline.folder / pruned_name(method, sparsity))
        after = load_file(pipeline.folder / pruned_name(method, sparsity, finetuned=True))
        mine = [r for r in pipeline.records if (r["method"], r["sparsity"]["requested"]) == (method, sparsity)]
        for epoch, tensors in ((0, before), (1, after), (None, after)):
            pairs = {layer: (dense[f"{layer}.weight"], tensors[f"{layer}.weight"]) for layer in LAYERS}
            moved = {layer: np.square(old.astype(float) - new).sum() for layer, (old, new) in pairs.items()}
            moved["*"] = sum(moved.values())
            given = {(r["dist"], r["layer"]): r["value"] for r in mine if r["epoch"] == epoch}
            for layer, expected in moved.items():
                assert given["ap2", layer] == pytest.approx(expected, rel=1e-12)
                assert given["gaussian", layer] == pytest.approx(expected / 2, rel=1e-12)
                assert 0 < given["student-t", layer] < given["gaussian", layer]


def test_records_bring_the_performance_difference_of_their_epoch(pipeline: Run) -> None:
    dense = pipeline.lineage(DENSE)["metrics"]
    for record in pipeline.records:
        history = pipeline.lineage(record["pruned"]["path"])["history"]
        step = history[-1 if record["epoch"] is None else record["epoch"]]
        for split, key in product(("test", "train"), ("loss", "accuracy")):
            assert record["pd"][split][key] == pytest.approx(abs(dense[split][key] - step[split][key]), abs=1e-9)


def test_report_is_one_page_that_needs_no_network(pipeline: Run) -> None:
    page = (pipeline.folder / "report.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    for fetched in ('src="http', 'href="http', "@import", "url(http", "<script src", "<link "):
        assert fetched not in page
    for word in ("fc5", "digits", "student-t", *METHODS, *map(str, SPARSITIES)):
        assert word in page
    assert pipeline.gave("report") == ["report.html"]


def products(folder: Path) -> dict[str, bytes]:
    kinds = (".safetensors", ".html", ".out", ".err")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in kinds}


@pytest.mark.long
def test_real_pipes_in_another_folder_give_the_same_bytes(
    pipeline: Run, open_shell: Callable[[Path], Any], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert open_shell(tmp_path / "elsewhere").bash(PIPELINE, PYTHONHASHSEED="2").code == 0
    assert (tmp_path / "elsewhere" / "codes").read_text().split() == ["0"] * 10
    first, second = products(pipeline.folder), products(tmp_path / "elsewhere")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def checkpoints(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("*.safetensors")}


@pytest.mark.long
def test_running_the_pipeline_again_keeps_every_file_and_says_so(
    pipeline: Run, run_pipeline: Callable[[Path], Run], own_copy: Path
) -> None:
    before, page = checkpoints(own_copy), (own_copy / "report.html").read_bytes()
    again = run_pipeline(own_copy)
    assert (own_copy / "codes").read_text().split() == ["0"] * 10
    assert checkpoints(own_copy) == before
    assert (own_copy / "report.html").read_bytes() == page
    for stage in ("train", "prune", "finetune"):
        assert again.gave(stage) == pipeline.gave(stage)
        for path, line in zip(again.gave(stage), again.said(stage), strict=True):
            assert line == f"apcli: {path} is already there, made the same way: kept"


OTHERWISE = {
    "train": ("train fc5 --data digits --epochs 2", DENSE),
    "prune": (f"prune {DENSE} --sparsity 0.3 --scope global", pruned_name("lowest", 0.3)),
    "finetune": (f"finetune {pruned_name('lowest', 0.3)} --epochs 0", pruned_name("lowest", 0.3, finetuned=True)),
}


@pytest.mark.parametrize("stage", OTHERWISE)
def test_other_settings_do_not_replace_a_file(own_copy: Path, open_shell: Callable[[Path], Any], stage: str) -> None:
    command, product = OTHERWISE[stage]
    open_shell(own_copy).refuses(command, 2, product, "--overwrite", "--output")


@pytest.mark.parametrize("stage", ["prune", "finetune"])
def test_other_settings_replace_a_file_when_told(own_copy: Path, open_shell: Callable[[Path], Any], stage: str) -> None:
    shell, (command, product) = open_shell(own_copy), OTHERWISE[stage]
    before = (own_copy / product).read_bytes()
    result = shell(f"{command} --overwrite")
    assert (result.code, result.lines) == (0, [product])
    assert (own_copy / product).read_bytes() != before
    assert shell.lineage(product)["settings"] != settings_of(before)


def settings_of(file: bytes) -> list[dict[str, Any]]:
    """The settings in a checkpoint's bytes."""
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    return json.loads(header["__metadata__"]["apcli"])["settings"]


def test_a_lost_file_is_made_again_with_the_same_bytes(own_copy: Path, open_shell: Callable[[Path], Any]) -> None:
    lost = own_copy / pruned_name("random", 0.8)
    before = lost.read_bytes()
    lost.unlink()
    result = open_shell(own_copy)(STAGES["prune"] + " " + DENSE)
    assert result.code == 0
    assert lost.read_bytes() == before
    assert sum("already there" in line for line in result.complaints) == 5


def test_report_describes_a_checkpoint(pipeline: Run, open_shell: Callable[[Path], Any]) -> None:
    result = open_shell(pipeline.folder)(f"report {pruned_name('highest', 0.8, finetuned=True)}")
    assert result.code == 0
    for word in ("fc5", "digits", "highest", "0.8", DENSE, "480000", *LAYERS):
        assert word in result.out.replace(",", "")


def test_bytes_through_a_remote_finetune_are_the_tensors_of_the_local_one(
    pipeline: Run, shell: Any, tmp_path: Path
) -> None:
    # As over ssh: the far side has neither the file nor its dense ancestor.
    path = pruned_name("lowest", 0.8)
    result = shell("finetune - -o - --epochs 1 --lr .01", (pipeline.folder / path).read_bytes())
    assert result.code == 0
    assert "--dense" in result.err
    (tmp_path / "b.safetensors").write_bytes(result.raw)
    far, near = load_file(tmp_path / "b.safetensors"), load_file(pipeline.folder / pruned_name("lowest", 0.8, True))
    assert far.keys() == near.keys()
    assert all(np.array_equal(far[name], near[name]) for name in near)
    assert list(shell.folder.iterdir()) == []


@pytest.fixture
def tampered(own_copy: Path, open_shell: Callable[[Path], Any]) -> Any:
    """A shell where a pruned file promises more zeros than it has: one of them came back."""
    shell, name = open_shell(own_copy), pruned_name("lowest", 0.8)
    with safe_open(own_copy / name, "numpy") as file:
        metadata = file.metadata()
    tensors = shell.tensors(name)
    tensors["fc4.weight"].ravel()[np.flatnonzero(tensors["fc4.weight"] == 0)[0]] = 1e-3
    (own_copy / name).unlink()
    shell.save("tampered.safetensors", tensors, metadata)
    return shell


@pytest.mark.parametrize("command", ["finetune --epochs 1", "prune --sparsity 0.9 --layers fc5"])
def test_a_lost_zero_is_found_and_no_file_is_made(tampered: Any, command: str) -> None:
    tampered.refuses(f"{command} tampered.safetensors", 3, "fc4.weight", "23999", "24000")

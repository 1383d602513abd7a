"""The commands of the README and docs/ that are not run are tried: with stand-ins for files and data that they name.

A command goes on for real (its options, what they name, how they go with each other and with the files) up to the
point where a network would be built or a report drawn; ``prune`` makes its ``--dry-run``.
"""

import json
import shutil
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pages import COMMANDS, SHELL, Block, name_of, words_of
from safetensors.numpy import load_file, save_file

import apcli
from apcli import published
from apcli.cli.main import run
from apcli.cli.streams.standard import Streams
from apcli.records.latency_table import KIND, VERSION, LatencyTable, LayerLatency
from apcli.records.lines import dump

BEGINNINGS = (
    "apcli.stages.train.build",
    "apcli.networks.Networks.network",
    "apcli.stages.report.writing.build",
)
DENSE, PRUNED, FOREIGN = "dense.safetensors", "pruned.safetensors", "foreign.safetensors"


class Begun(BaseException):
    """The command is right as far as can be said before the work itself."""


def begin(*given: object, **options: object) -> None:
    raise Begun


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stand-ins: a dense network, its pruned file, weights of someone else, and records."""
    folder = tmp_path_factory.mktemp("files")
    [dense] = apcli.train("resnet20", data="digits", epochs=0, output=folder / DENSE)
    [pruned] = apcli.prune(dense, sparsity=0.5, layers="last", output=folder / PRUNED)
    save_file(load_file(dense), folder / FOREIGN)
    (folder / "times.json").write_text(json.dumps(times_of(load_file(dense)).to_json()))
    torch.save({"linear.weight": torch.ones(10, 64), "linear.bias": torch.ones(10)}, folder / "theirs.th")
    records = apcli.divergence(dense, pruned, dist="ap2", level="network")
    (folder / "records.jsonl").write_text("".join(f"{dump(record.to_json())}\n" for record in records))
    return folder


def times_of(tensors: dict[str, np.ndarray]) -> LatencyTable:
    """A table of layers that take a microsecond for each of their rows and columns."""
    halves = [(r, c) for r in (1, 2) for c in (1, 2)]
    layers = []
    for name, tensor in tensors.items():
        if tensor.ndim > 1:
            sizes = [(max(1, tensor.shape[0] // r), max(1, tensor.shape[1] // c)) for r, c in halves]
            rows, columns = zip(*sizes, strict=True)
            seconds = tuple(1e-6 * r * c for r, c in sizes)
            layers.append(LayerLatency(name, tuple(tensor.shape), rows, columns, seconds))
    size = {"input_size": (3, 8, 8), "batch_size": 1, "runs": 2, "warmup": 0, "seconds": 0.0}
    device: dict[str, Any] = {"device": "cpu", "device_name": None, "threads": 1, "model": "resnet20", **size}
    return LatencyTable(kind=KIND, version=VERSION, layers=tuple(layers), **device)


def colour_images(choice: object, data_dir: Path, download: bool) -> tuple[object, object]:
    """A train and a test split as torchvision has those of CIFAR-10."""
    split = SimpleNamespace(data=np.zeros((10, 32, 32, 3), np.uint8), targets=list(range(10)))
    return split, split


def tried(words: list[str], folder: Path) -> tuple[int, str]:
    """The exit code and the messages of a command in ``folder``, where stand-ins of its files are made."""
    name, *options = words[1:]
    if name != "list":
        options = [word.replace("*", "model") for word in options]  # as bash would find them
    given = COMMANDS[name].make_context(name, list(options)).params
    inputs = given.get("checkpoints") or given.get("inputs") or []
    named = {word: word.replace(":", "-").replace("/", "-") for word in inputs if published.is_name(word)}
    options, inputs = ([named.get(word, word) for word in words] for words in (options, inputs))  # nothing is fetched
    usual = DENSE if name in ("prune", "report") else PRUNED
    for place, file in enumerate(inputs):
        first_of_pair = name == "divergence" and len(inputs) == 2 and place == 0
        kind = FOREIGN if "--model" in options else DENSE if first_of_pair else usual
        shutil.copy(folder / kind, Path(folder / file).with_suffix(".safetensors"))
    takes_records = name == "report" and "--json" not in options
    piped = (folder / "records.jsonl").read_bytes() if takes_records else usual.encode()
    out, err = TextIOWrapper(BytesIO(), "utf-8"), TextIOWrapper(BytesIO(), "utf-8")
    with Streams(TextIOWrapper(BytesIO(piped)), out, err) as streams:
        try:
            code = run([name, *options, *(["--dry-run"] if name == "prune" else [])], streams)
        except Begun:
            code = 0
        err.flush()
    return code, err.buffer.getvalue().decode()


def commands_of(block: Block) -> Iterator[list[str]]:
    for words in words_of(block.text):
        if words[0] in ("apcli", "torchrun"):
            yield words[words.index("apcli") :]


TRIED = [block for block in SHELL if block.mark.startswith("not run: ") and list(commands_of(block))]


@pytest.fixture
def folder(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with stand-ins, where no command gets beyond its beginning."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for target in BEGINNINGS:
        monkeypatch.setattr(target, begin)
    monkeypatch.setattr("apcli.data.datasets.torchvision_splits", colour_images)
    monkeypatch.setattr("apcli.cli.options.completion.library_models", lambda: ["timm:resnet18"])
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("block", TRIED, ids=name_of)
def test_the_commands_are_right(block: Block, folder: Path) -> None:
    for words in commands_of(block):
        code, said = tried(words, folder)
        assert (code, words) == (0, words), said


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "train resnet21",
        "train resnet20 --data cifar11",
        "train resnet20 --opt sdg",
        "train resnet20 --data cifar10 --mean 0.5,0.5",
        "prune model --sparsity 0.5 --method lowset",
        "prune model --sparsity 0.5 --layers head",
        "finetune --schedule cubics --sparsity 0.9",
        "finetune --epochs -1",
        "divergence a b --dist gausian",
        "divergence a b --dist gaussian --measure w3",
        "report -o x --format pdf",
        "report model --batch-size 32",
    ],
)
def test_a_wrong_command_is_found(command: str, folder: Path) -> None:
    code, said = tried(["apcli", *command.split()], folder)
    assert code == 2, said

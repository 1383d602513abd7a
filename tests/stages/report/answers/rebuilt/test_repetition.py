"""How to repeat an experiment: what lineages say, and what records alone say."""

import tomllib
from dataclasses import replace
from pathlib import Path

from studies import TUNED, with_files

from apcli import __version__
from apcli.stages.report.answers.rebuilt.repetition import PYTHON, StageSettings, repetition
from apcli.stages.report.runs.experiment import build

ROOT = Path(__file__).parents[5]


def repeated(records):
    report = build(records)
    return repetition(report, report.groups[0])


def test_settings_are_those_of_the_lineages(small):
    found = repeated(with_files(small, part=5000))
    assert found.settings == (
        StageSettings(
            "train",
            (("epochs", "6"), ("batch size", "128"), ("optimiser", "sgd"), ("learning rate", "0.1"), ("seed", "0, 1")),
        ),
        StageSettings(
            "prune",
            (("method", "lowest, highest, random"), ("scope", "layer"), ("layers", "all"), ("sparsity", "0.1, 0.5")),
        ),
        StageSettings(
            "finetune",
            (
                *(("epochs", "3"), ("batch size", "128"), ("optimiser", "sgd"), ("learning rate", "0.01")),
                *(("seed", "0, 1"), ("training images", "5,000")),
            ),
        ),
    )
    assert (found.versions, found.seeds, found.unknown) == ((("apcli", __version__),), (0, 1), 0)
    assert found.dense_files == (
        ("resnet20.seed0.safetensors", f"{0:064x}"),
        ("resnet20.seed1.safetensors", f"{1:064x}"),
    )
    assert len(found.commands) == 3


def test_values_are_words_and_many_of_them_are_counted(make_grid):
    records = make_grid(seeds=tuple(range(8)), epochs=0, sparsities=(0.1,))
    tuned = {**TUNED, "amp": False, "compile": True, "mixup": 0.0, "layer_sparsity": {"fc": 0.5}}
    finetune = dict(repeated(with_files(records, tuned=tuned)).settings[-1].values)
    assert finetune["seed"] == "0, 1, 2, 3, 4, 5 and 2 more"
    assert (finetune["bfloat16 where safe"], finetune["compile"], "mixup" in finetune) == ("no", "yes", False)
    assert finetune["layer sparsity"] == '{"fc": 0.5}'
    assert "dense" not in finetune


def test_without_files_the_seeds_are_known(make_grid):
    found = repeated([replace(r, seed=7) for r in make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))])
    assert (found.commands, found.settings, found.seeds, found.device) == ((), (), (7,), None)
    assert (found.versions, found.unknown) == ((("apcli (this report)", __version__),), 3)
    assert found.dense_files == (("resnet20.seed0.safetensors", f"{0:064x}"),)


def test_seeds_are_those_of_the_dense_networks(small):
    files = with_files(small)
    tuned = [replace(r, seed=5) if r.kind == "divergence" else r for r in files]
    assert repeated(tuned).seeds == (0, 1)


def test_the_device_is_that_of_timings(honest):
    assert repeated(honest).device == "cpu"


def test_the_first_step_and_the_devices_are_sentences(honest, small):
    with open(ROOT / "pyproject.toml", "rb") as file:
        assert tomllib.load(file)["project"]["requires-python"] == f">={PYTHON}"
    assert repeated(with_files(small)).install == (
        f"Install apcli {__version__}, with Python {PYTHON} or newer, from the folder of its sources: `pip install .`"
    )
    assert repeated(honest).machine.startswith("files were timed on cpu; files do not record where networks were ")
    assert repeated(small).machine.startswith("files do not record where networks were trained. Without `--device`, ")

"""The commands that made a group's files: as few lines as they fit in, in an order in which they can be run.

``tests/cli/processes/test_repetition.py`` runs them.
"""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from pages import COMMANDS
from studies import TUNED, only_group, relineaged, variant, with_files

from apcli.records.checkpoint import CheckpointRecord
from apcli.stages.report.answers.rebuilt.commands import commands_of

DENSE = ["out/resnet20.seed0.safetensors", "out/resnet20.seed1.safetensors"]
TRAIN = "apcli train resnet20 --data cifar10 --epochs 6 --input-size 32"
TUNE = "apcli finetune --epochs 3 --lr 0.01"
MEASURE = "apcli divergence --dist ap2,gaussian,student-t"


def commands(records, **how):
    lines = commands_of(only_group(with_files(records, **how)))
    for line in lines:
        for words in map(shlex.split, re.sub(r" (<|>|>>) \S+", "", line).split(" | ")):
            assert COMMANDS[words[1]].make_context(words[1], words[2:]).params
    return lines


def with_prunings(files, change):
    """The files, with the settings of their pruning as ``change``, a function of a file's record, says."""
    return relineaged(
        files,
        lambda file: {
            **file.lineage,
            "settings": [{**s, **(change(file) if s["stage"] == "prune" else {})} for s in file.lineage["settings"]],
        },
    )


def test_a_grid_is_one_pipeline_behind_its_trainings(small):
    assert commands(small) == (
        f"{TRAIN} --output {DENSE[0]} > dense.txt",
        f"{TRAIN} --seed 1 --output {DENSE[1]} >> dense.txt",
        f"apcli prune --method lowest,highest,random --sparsity 0.1,0.5 < dense.txt | {TUNE} | {MEASURE}"
        " | apcli report",
    )


def test_dense_files_of_the_usual_names_are_one_line(small):
    named = [replace(r, dense=replace(r.dense, path=f"resnet20-cifar10.seed{r.seed}.safetensors")) for r in small]
    assert commands(named)[0] == f"{TRAIN} --seeds 0,1 > dense.txt"
    within = [replace(r, dense=replace(r.dense, path=f"out/resnet20-cifar10.seed{r.seed}.safetensors")) for r in small]
    assert commands(within)[0] == f"{TRAIN} --seeds 0,1 --output out > dense.txt"
    one = [replace(r, dense=replace(r.dense, path="resnet20-cifar10.safetensors")) for r in small if r.seed == 0]
    assert commands(one)[0] == TRAIN


def test_lists_that_do_not_multiply_are_lines_of_their_own(small):
    kept = [r for r in small if (r.method, r.sparsity.requested) != ("random", 0.5)]
    *_, first, second, last = commands(kept)
    assert first == f"apcli prune --method lowest,highest --sparsity 0.1,0.5 < dense.txt | {TUNE} > files.txt"
    assert second == f"apcli prune --method random --sparsity 0.1 < dense.txt | {TUNE} >> files.txt"
    assert last == f"{MEASURE} < files.txt | apcli report"
    fewer = [r for r in small if (r.method, r.seed) != ("random", 1)]
    *_, second, _ = commands(fewer)
    assert second == f"apcli prune {DENSE[0]} --method random --sparsity 0.1,0.5 | {TUNE} >> files.txt"


def test_budgets_that_differ_are_lines_of_their_own(small):
    lines = commands(small, tuned=lambda r: {**TUNED, "lr": 0.01 if r.method == "lowest" else 0.1})
    assert [line.count("--lr 0.01") for line in lines if "prune" in line] == [1, 0]


def test_without_fine_tuning(small):
    assert commands(small, tuned=None)[-1].endswith(f" --sparsity 0.1,0.5 < dense.txt | {MEASURE} | apcli report")


def test_seeds_are_said_where_they_are_not_the_files_own(small):
    masked = [replace(r, mask_seed=r.seed if r.method == "random" else None) for r in small]
    assert commands(masked) == commands(small), "each mask has its network's seed"
    two = [replace(r, mask_seed=seed, pruned=replace(r.pruned, sha256=f"{seed}{r.pruned.sha256[1:]}"))
           for r in small for seed in (5, 6) if r.method == "random"]  # fmt: skip
    assert "--method random --sparsity 0.1,0.5 --seeds 5,6 < dense.txt | " in commands(two)[-1]
    one = [r for r in two if r.mask_seed == 5]
    assert "--method random --sparsity 0.1,0.5 --seed 5 < dense.txt | " in commands(one)[-1]


def test_a_seed_of_fine_tuning_is_said(small):
    def again(file):
        stages = [{**s, "seed": 9} if s["stage"] == "finetune" else s for s in file.lineage["settings"]]
        return {**file.lineage, "settings": stages}

    assert f"{TUNE} --seed 9 | " in commands_of(only_group(relineaged(with_files(small), again)))[-1]


def test_several_seeds_of_fine_tuning_have_folders_of_their_own(small):
    def moved(r, seed):
        path = r.pruned.path.replace("out/", f"out/s{seed}/") if seed else r.pruned.path
        return replace(r, seed=seed, pruned=replace(r.pruned, path=path, sha256=f"{seed}{r.pruned.sha256[1:]}"))

    tuned = [moved(r, seed) for r in small if r.seed == 0 for seed in (0, 3)]
    files = with_files(tuned)

    def of_the_dense_seed(file):
        name = Path(file.path).name.replace(".finetuned", "")
        parent = {"path": f"../{name}" if "/s3/" in file.path else name, "sha256": name}
        return {**file.lineage, "seed": 0, "parent": None if file.lineage["stage"] == "train" else parent}

    *_, first, second, _ = commands_of(only_group(relineaged(files, of_the_dense_seed)))
    assert first.endswith(f"--sparsity 0.1,0.5 | {TUNE} > files.txt")
    assert second.endswith(f"--sparsity 0.1,0.5 | {TUNE} --seed 3 --output out/s3 >> files.txt")


def test_several_seeds_of_fine_tuning_beside_each_other_are_one_line(small):
    def of_seed(r, seed):
        path = r.pruned.path.replace(".safetensors", f".seed{seed}.safetensors")
        return replace(r, seed=seed, pruned=replace(r.pruned, path=path, sha256=f"{seed}{r.pruned.sha256[1:]}"))

    tuned = [of_seed(r, seed) for r in small if r.seed == 0 for seed in (0, 3)]
    assert commands(tuned)[-1].endswith(f"--sparsity 0.1,0.5 | {TUNE} --seeds 0,3 | {MEASURE} | apcli report")
    alone = [r for r in tuned if r.seed == 3]
    assert f"{TUNE} --seed 3 | " in commands(alone)[-1]


def test_controls_come_after_the_files_whose_zeros_they_count(small):
    kept = [r for r in small if (r.method, r.sparsity.requested) != ("random", 0.1)]
    of = {
        (r.seed, r.method, r.sparsity.requested): r.pruned.sha256[::-1] for r in kept
    }  # of the file before fine-tuning
    by_file = {r.pruned.sha256: r for r in kept}

    def parent(file):
        r = by_file.get(file.sha256)
        if r is None:
            return file.lineage
        sha256 = of[r.seed, r.method, r.sparsity.requested]
        link = {"path": f"seed{r.seed}.{r.method}-{r.sparsity.requested:g}.safetensors", "sha256": sha256}
        return {**file.lineage, "parent": link}

    def control(file):
        r = by_file[file.sha256]
        other = {"method": "random-same-layers", "other": of[r.seed, "lowest", 0.5], "sparsity": None}
        return other if r.method == "random" else {}

    ordered = sorted(kept, key=lambda r: r.method != "random")
    *_, first, second, _ = commands_of(only_group(with_prunings(relineaged(with_files(ordered), parent), control)))
    like = "out/seed0.lowest-0.5.safetensors,out/seed1.lowest-0.5.safetensors"
    assert "--method lowest,highest --sparsity 0.1,0.5" in first
    assert f"apcli prune --method random-same-layers --like {like} < dense.txt | " in second


def test_zeros_that_were_copied(small):
    copied = with_prunings(with_files(small), lambda file: {"method": "mask", "other": "f" * 64, "sparsity": None})
    (line,) = [line for line in commands_of(only_group(copied)) if "prune" in line]
    assert f"apcli prune --mask-from FILE-{'f' * 12} < dense.txt | " in line


def test_several_prunings_in_a_row(small):
    def again(file):
        train, *rest = file.lineage["settings"]
        before = [{**rest[0], "sparsity": 0.05}, rest[1]] if rest else []
        return {**file.lineage, "settings": [train, *before, *rest]}

    files = relineaged(with_files([r for r in small if r.method == "lowest"]), again)
    lines = commands_of(only_group(files))
    first, second = (f"apcli prune --method lowest --sparsity {s} | {TUNE}" for s in ("0.1", "0.5"))
    start = f"apcli prune --method lowest --sparsity 0.05 < dense.txt | {TUNE}"
    assert lines[-3:-1] == (f"{start} | {first} > files.txt", f"{start} | {second} >> files.txt")


def test_files_of_others_are_named_by_their_network(small):
    files = [f for f in with_files(small) if not (isinstance(f, CheckpointRecord) and f.lineage["stage"] == "train")]
    lines = commands_of(only_group(files))
    assert lines[0].startswith(f"apcli prune {' '.join(DENSE)} --method ")
    assert " --model resnet20 | " in lines[0]


def test_weights_that_training_started_from_come_first(small):
    first = {r.seed: r.dense.sha256 for r in small}[0]

    def from_first(file):
        link = {"path": "resnet20.seed0.safetensors", "sha256": first}
        is_second = (file.lineage["stage"], file.lineage["seed"]) == ("train", 1)
        return {**file.lineage, "parent": link} if is_second else file.lineage

    ordered = sorted(small, key=lambda r: -r.seed)
    plain, started, *_ = commands_of(only_group(relineaged(with_files(ordered), from_first)))
    assert plain.endswith(f"--output {DENSE[0]} > dense.txt")
    assert started.endswith(f"--weights {DENSE[0]} --seed 1 --output {DENSE[1]} >> dense.txt")
    assert "--weights" not in plain


@pytest.mark.parametrize("name", ["a b", "-x", "$(rm x)", "a'b"])
def test_names_are_for_a_shell_to_take(small, name):
    odd = [replace(r, dense=replace(r.dense, path=f"{name}.safetensors")) for r in small if r.seed == 0]
    words = shlex.split(commands(odd)[-1])
    assert words[2] == ("./" if name == "-x" else "") + f"{name}.safetensors"


def test_nothing_is_made_up(small):
    assert commands_of(only_group(small)) == ()


def test_each_way_of_measuring_is_a_line(small):
    drawn = variant(small, estimator="mc", draws={"samples": 1000, "repeats": 1, "seed": 3}, measure="js")
    lines = commands([*small, *drawn])
    assert lines[-3:] == (
        f"{MEASURE} < files.txt > records.jsonl",
        "apcli divergence --dist student-t --measure js --estimator mc --samples 1000 --seed 3 "
        "< files.txt >> records.jsonl",
        "apcli report records.jsonl",
    )
    conv = [replace(r, layer="conv") if r.layer == "fc" else r for r in small]
    assert commands([*small, *conv])[-1].endswith("student-t --layers all | apcli report"), "more than was pruned"
    pooled = [r for r in small if r.layer == "*"]
    assert commands(pooled)[-1].endswith("student-t --level network | apcli report")


def test_a_limit_is_repeated_by_its_rule_and_not_by_what_it_gave(small):
    """The same rule gives each dense network an amount of its own."""
    rule = "limit:eps=accuracy-1"
    files = with_prunings(with_files(small), lambda file: {"limit": rule, "validation": 0.1, "images": 500})
    lines = commands_of(only_group(files))
    (pruning,) = (line for line in lines if " prune " in line)
    assert f"--sparsity {rule} " in pruning
    assert "--images 500 --validation 0.1" in pruning or "--validation 0.1 --images 500" in pruning

"""How to repeat an experiment: what lineages say, and what records alone say."""

from dataclasses import replace

from studies import described

from apcli import __version__
from apcli.stages.report.answers.repetition import StageSettings, repetition
from apcli.stages.report.runs.experiment import build


def test_settings_are_those_of_the_lineages(make_grid):
    records = make_grid(seeds=(0, 1), epochs=0, sparsities=(0.1,))
    files = {(r.pruned.path, r.pruned.sha256): r.seed for r in records}
    known = [
        described(path, sha256, {"apcli": "0.2", "settings": [{"stage": "finetune", "lr": 0.01, "seed": seed}]})
        for (path, sha256), seed in files.items()
    ]
    report = build([*records, *known])
    found = repetition(report, report.groups[0])
    assert found.settings == (StageSettings("finetune", (("lr", "0.01"), ("seed", "0, 1"))),)
    assert (found.versions, found.seeds) == ((("apcli", "0.2"),), (0, 1))


def test_without_files_the_seeds_are_known(make_grid):
    report = build([replace(r, seed=7) for r in make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))])
    found = repetition(report, report.groups[0])
    assert (found.settings, found.seeds) == ((), (7,))
    assert found.versions == (("apcli (this report)", __version__),)

"""The making of a group's files: from their lineages where they are described, otherwise from the records."""

from dataclasses import replace

from studies import TUNED, only_group, with_files

from apcli.checkpoints.lineage import Lineage
from apcli.stages.report.runs.making import lineage_of, made_of


def test_the_lineages_are_those_of_the_files(small):
    made = made_of(only_group(with_files(small, layers=("fc", "conv"), part=5000)))
    assert len(made) == 12
    for one in made:
        assert [settings.options["lr"] for settings in one.tuned] == [0.01]
        assert (one.lineage.stage, one.dense.stage, one.dense.seed) == ("finetune", "train", one.trial.seed)
        assert (one.pruned, one.last, one.images, one.test_images) == (("conv", "fc"), "fc", 5000, 10000)


def test_without_files_the_records_say_what_was_compared(small):
    one = made_of(only_group(small))[0]
    assert (one.lineage, one.dense) == (Lineage.EMPTY, Lineage.EMPTY)
    assert (one.pruned, one.last, one.images, one.test_images, one.tuned) == (("fc",), None, None, None, ())


def test_an_evaluation_is_no_fine_tuning(small):
    evaluated, tuned = (made_of(only_group(with_files(small, tuned={**TUNED, "epochs": n})))[0] for n in (0, 1))
    assert (evaluated.tuned, len(tuned.tuned)) == ((), 1)


def test_a_lineage_that_cannot_be_read_is_not_known(small):
    files = with_files(small)
    for wrong in ({"version": 99}, {"version": 1, "stage": 3}, {"settings": 0}):
        assert lineage_of(replace(files[-1], lineage=wrong)) is Lineage.EMPTY
    odd = {**files[-1].lineage, "data": {"name": "x", "images": ["many", None]}}
    one = replace(made_of(only_group(files))[0], lineage=lineage_of(replace(files[-1], lineage=odd)))
    assert (one.images, one.test_images) == (None, None)

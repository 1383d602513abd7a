"""How to repeat what a group shows: the commands, the settings of the stages, the seeds, the versions and the files."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apcli import __version__
from apcli.stages.report.answers.rebuilt.commands import commands_of
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.runs.making import Made, made_of
from apcli.stages.report.runs.trials import file_name

PYTHON = "3.11"  # the oldest version that apcli runs on
MANY = 6  # values of a setting that are listed
_WORDS = {
    "lr": "learning rate",
    "batch_size": "batch size",
    "opt": "optimiser",
    "sched": "learning-rate schedule",
    "augment": "augmentation",
    "amp": "bfloat16 where safe",
    "split": "evaluated on",
}
_SHOWN = {"epochs", "sparsity", "seed", "weight_decay", "amp"}  # even if they are 0 or off
_USUAL = {"decay": "all", "eval_every": 1, "update": "all", "trace": "auto"}  # left out: as the command has them
_HIDDEN = {"dense", "code", "other", "rewind_to", "teacher", "cuda_graph"}  # hashes, and what the commands say better


@dataclass(frozen=True)
class StageSettings:
    """The settings of one stage, as (name, value): those that its files share, or the few values that they take."""

    stage: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Repetition:
    """What somebody else needs to make the same files.

    Attributes:
        commands: that made the files, in order; none if they are not known.
        settings: of each stage; those that are off are left out.
        versions: of programs, as (name, version).
        device: that the files were timed on; None: not known. Lineages do not hold that of the training.
        seeds: of the dense networks' trainings; of the fine-tunings where they are not known.
        dense_files: as (name, SHA-256).
        unknown: the number of pruned files whose making is not known.
    """

    commands: tuple[str, ...]
    settings: tuple[StageSettings, ...]
    versions: tuple[tuple[str, str], ...]
    device: str | None
    seeds: tuple[int, ...]
    dense_files: tuple[tuple[str, str], ...] = ()
    unknown: int = 0

    @property
    def install(self) -> str:
        """The first step, as a sentence."""
        version = self.versions[0][1]
        return (
            f"Install apcli {version}, with Python {PYTHON} or newer, from the folder of its sources: `pip install .`"
        )

    @property
    def machine(self) -> str:
        """The devices, as a sentence: what is known of them, and what is not."""
        timed = f"files were timed on {self.device}; " if self.device else ""
        return (
            f"{timed}files do not record where networks were trained. Without `--device`, a GPU is used if there is "
            "one; another device rounds otherwise, and so makes somewhat other weights."
        )


def repetition(report: Report, group: Group) -> Repetition:
    """What the records and the lineages of the files at hand say."""
    made = made_of(group)
    known = [one for one in made if one.lineage.is_known]
    versions = dict.fromkeys(one.lineage.apcli for one in known if one.lineage.apcli)
    timings = [one.trial.checkpoint.latency for one in made if one.trial.checkpoint and one.trial.checkpoint.latency]
    devices = dict.fromkeys(timing.device_name or timing.device for timing in timings)
    dense = {one.trial.dense.sha256: file_name(one.trial.dense) for one in made if one.trial.dense.sha256}
    return Repetition(
        commands=commands_of(group),
        settings=_settings(known),
        versions=tuple(("apcli", version) for version in versions) or (("apcli (this report)", __version__),),
        device=", ".join(devices) or None,
        seeds=tuple(sorted({seed for one in made if (seed := _seed(one)) is not None})),
        dense_files=tuple((name, sha256) for sha256, name in dense.items()),
        unknown=len(made) - len(known),
    )


def _seed(one: Made) -> int | None:
    """The seed of the dense network's training; if that is not known, the record's."""
    return one.dense.seed if one.dense.is_known else one.trial.seed


def _settings(made: Sequence[Made]) -> tuple[StageSettings, ...]:
    """The settings of the stages, in the order in which the stages came."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for stage, name, value in (each for one in made for each in _each(one)):
        found.setdefault(stage, {}).setdefault(name, {})[value] = None
    return tuple(
        StageSettings(stage, tuple((name, _listed(list(values))) for name, values in members.items()))
        for stage, members in found.items()
    )


def _each(one: Made) -> Iterator[tuple[str, str, str]]:
    """The settings of the stages that made a file, as (stage, name, value)."""
    for stage in one.lineage.settings:
        name = stage.stage or "unknown stage"
        for key, value in stage.options.items():
            is_off = value is None or (not value and key not in _SHOWN)
            if not is_off and key not in _HIDDEN and _USUAL.get(key) != value:
                yield name, _WORDS.get(key, key.replace("_", " ")), _text(value)
        if name == one.lineage.stage and one.images and one.tuned:
            yield name, "training images", f"{one.images:,}"
    if one.dense.stage == "train":
        yield "train", "seed", str(one.dense.seed or 0)


def _text(value: object) -> str:
    if value is False:
        return "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "yes" if value is True else value if isinstance(value, str) else json.dumps(value)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values[:MANY]) + (f" and {len(values) - MANY} more" if len(values) > MANY else "")

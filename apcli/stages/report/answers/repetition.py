"""How to repeat what a group shows: the settings of the stages, the seeds and the versions."""

import json
from dataclasses import dataclass
from typing import Any

from apcli import __version__
from apcli.stages.report.runs.experiment import Group, Report

MANY = 4  # values of a setting that are listed


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
        settings: of each stage.
        versions: of programs, as (name, version).
        device: that the files were made on; None: not known.
        seeds: of the trainings.
    """

    commands: tuple[str, ...]
    settings: tuple[StageSettings, ...]
    versions: tuple[tuple[str, str], ...]
    device: str | None
    seeds: tuple[int, ...]


def repetition(report: Report, group: Group) -> Repetition:
    """What the records and the lineages of the files at hand say."""
    trials = [trial for run in group.runs for trial in run.trials]
    lineages = [t.checkpoint.lineage for t in trials if t.checkpoint is not None and t.checkpoint.lineage is not None]
    found: dict[str, dict[str, list[str]]] = {}
    for stage in (stage for lineage in lineages for stage in lineage.get("settings") or ()):
        for name, value in stage.items():
            values = found.setdefault(str(stage.get("stage")), {}).setdefault(name, [])
            values += [_text(value)] if _text(value) not in values else []
    settings = tuple(
        StageSettings(stage, tuple((name, _listed(values)) for name, values in members.items() if name != "stage"))
        for stage, members in found.items()
    )
    versions = dict.fromkeys(("apcli", str(lineage.get("apcli"))) for lineage in lineages)
    seeds = sorted({trial.seed for trial in trials if trial.seed is not None})
    return Repetition((), settings, tuple(versions) or (("apcli (this report)", __version__),), None, tuple(seeds))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _listed(values: list[str]) -> str:
    return ", ".join(values[:MANY]) + (f" and {len(values) - MANY} more" if len(values) > MANY else "")

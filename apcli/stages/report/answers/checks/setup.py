"""Checks of the set-up: what was compared, from which start, with which settings."""

import json
from collections.abc import Iterable

from apcli.stages.report.answers.checks.evidence import Evidence, Found
from apcli.words import count, few

PAIRS = 3  # of data set and architecture: Blalock et al. 2020, arXiv:2003.03033
TOYS = ("digits", "mnist")  # data sets that do not count there
_NAMED = 2  # runs that are named, by the names of files perhaps
_OWN = {"seed", "dense"}  # settings that differ from file to file in any experiment


def named(evidence: Evidence) -> Found:
    """The architecture and the data."""
    group = evidence.group
    missing = [what for what, name in (("the network", group.model), ("the data", group.data)) if name is None]
    if missing:
        return False, f"the records do not name {' and '.join(missing)}"
    model = next((one.lineage.model for one in evidence.made if one.lineage.model), {})
    size = " × ".join(map(str, model.get("input_size") or ()))
    classes = f"{model['num_classes']} classes" if model.get("num_classes") else ""
    about = ", ".join(filter(None, [classes, f"images of {size}" if size else ""]))
    return True, group.title + (f": {about}" if about else "")


def several_pairs(evidence: Evidence) -> Found:
    """Whether there are enough pairs of data set and architecture."""
    groups = [group for group in evidence.report.groups if group.model and group.data]
    toys = {group.data for group in groups if (group.data or "").partition(":")[0] in TOYS}
    pairs = [group.title for group in groups if group.data not in toys]
    reason = f"{len(pairs)} of {PAIRS}" + (f": {few(pairs)}" if pairs else "")
    return len(pairs) >= PAIRS, reason + (f"; toy data do not count: {few(sorted(map(str, toys)))}" if toys else "")


def same_start(evidence: Evidence) -> Found:
    """Whether every run starts from the same dense files."""
    if not all(trial.dense.sha256 for trial in evidence.trials):
        return False, "the SHA-256 of a dense file is not known"
    networks = {run.name: frozenset(run.networks) for run in evidence.group.runs}
    most = max(networks.values(), key=len)
    fewer = [name for name, own in networks.items() if own != most]
    if fewer:
        named = few(fewer) if len(fewer) <= _NAMED else f"{len(fewer)} of {count(len(networks), 'run')}"
        return False, f"not from all {count(len(most), 'dense network')}: {named}"
    return True, f"{count(len(most), 'dense network')}, the same for {count(len(networks), 'run')}"


def equal_budgets(evidence: Evidence) -> Found:
    """Whether all files were fine-tuned alike: settings, and number of images."""
    missing = sum(not one.lineage.is_known for one in evidence.made)
    if missing:
        return False, f"the settings of {missing} of {count(len(evidence.made), 'file')} are not known"
    budgets = [[dict(stage.options) for stage in one.tuned] for one in evidence.made]
    if not any(budgets):
        return True, "no file was fine-tuned"
    if len({len(stages) for stages in budgets}) > 1:
        return False, "some files were fine-tuned more often than others"
    last = [{**stages[-1], "images": one.images} for stages, one in zip(budgets, evidence.made, strict=True)]
    differing = _differing(last)
    if differing:
        return False, f"fine-tuned with different {few(differing)}"
    return True, f"the same settings of fine-tuning for {count(len(evidence.made), 'file')}"


def repeatable(evidence: Evidence) -> Found:
    """Whether the settings of all stages are known."""
    missing = sum(not one.lineage.is_known for one in evidence.made)
    if missing:
        return False, (
            f"{missing} of {count(len(evidence.made), 'file')} are not at hand, or of another program: run the report "
            "where the files are"
        )
    return True, "optimiser, learning rate, batch size, epochs, augmentation and seeds of every file, at the end"


def versions(evidence: Evidence) -> Found:
    """Whether the program's version and the device are known."""
    found = sorted({one.lineage.apcli for one in evidence.made if one.lineage.is_known and one.lineage.apcli})
    timings = [trial.checkpoint.latency for trial in evidence.trials if trial.checkpoint]
    devices = sorted({timing.device_name or timing.device for timing in timings if timing})
    made = f"made by apcli {few(found)}" if found else "the version that made the files is not known"
    unknown = "the device is in no record: `apcli report FILE --latency --json` makes one"
    timed = f"timed on {few(devices)}" if devices else unknown
    return bool(found and devices), f"{made}; {timed}"


def _differing(settings: Iterable[dict[str, object]]) -> list[str]:
    """The settings that are not the same in all."""
    values: dict[str, set[str]] = {}
    for one in settings:
        for name, value in one.items():
            values.setdefault(name, set()).add(json.dumps(value, sort_keys=True))
    return [name.replace("_", " ") for name, found in values.items() if len(found) > 1 and name not in _OWN]

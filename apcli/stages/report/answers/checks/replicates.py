"""Checks of what the spread of the numbers rests on."""

from apcli.stages.report.answers.checks.evidence import Evidence, Found
from apcli.theory.statistics import clusters, means
from apcli.words import count, few

SEEDS = means.LEAST  # the fewest for an interval
CLUSTERS = clusters.LEAST  # dense networks: fewer give no interval


def seeds(evidence: Evidence) -> Found:
    """Whether several seeds were used."""
    found = sorted({trial.seed for trial in evidence.trials if trial.seed is not None})
    networks = {trial.network for trial in evidence.trials}
    listed = f": {few(list(map(str, found)))}" if found else ""
    each = ", one for each dense network" if 1 < len(found) == len(networks) else ""
    passed = len(found) >= SEEDS
    return passed, count(len(found), "seed") + listed + each + ("" if passed else f"; {SEEDS} give an interval")


def networks(evidence: Evidence) -> Found:
    """Whether there are enough dense networks for an interval of a rank agreement."""
    found = {trial.network for trial in evidence.trials}
    passed = len(found) >= CLUSTERS
    return passed, count(len(found), "dense network") + ("" if passed else f"; with {CLUSTERS} there are intervals")


def spread(evidence: Evidence) -> Found:
    """Whether every mean has a sample standard deviation."""
    sizes = [len(run.trials) for run in evidence.group.runs]
    single = sum(size == 1 for size in sizes)
    if single:
        return False, f"{single} of {count(len(sizes), 'run')} are a single file"
    return True, f"over {min(sizes)}" + (f" to {max(sizes)}" if max(sizes) > min(sizes) else "") + " files a run"

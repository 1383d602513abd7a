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
    text = count(len(found), "seed") + listed + each
    return (True, text) if len(found) >= SEEDS else (False, f"only {text} ({SEEDS} are usual, and give an interval)")


def networks(evidence: Evidence) -> Found:
    """Whether there are enough dense networks for an interval of a rank agreement."""
    found = {trial.network for trial in evidence.trials}
    text = count(len(found), "dense network")
    return (True, text) if len(found) >= CLUSTERS else (False, f"only {text} (with {CLUSTERS} there are intervals)")


def spread(evidence: Evidence) -> Found:
    """Whether every mean has a sample standard deviation."""
    sizes = [len(run.trials) for run in evidence.group.runs]
    single = sum(size == 1 for size in sizes)
    if single:
        return False, f"{single} of {count(len(sizes), 'run')} are a single file"
    return True, f"over {min(sizes)}" + (f" to {max(sizes)}" if max(sizes) > min(sizes) else "") + " files a run"

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
    """Whether there are enough dense networks for an interval of a rank agreement, each of a training of its own."""
    found = {trial.network for trial in evidence.trials}
    text = count(len(found), "dense network")
    if len(found) < CLUSTERS:
        return False, f"only {text} (with {CLUSTERS} there are intervals)"
    starts = _starts(evidence)
    if len(starts) == len(found):
        return True, text
    return False, (
        f"{text} from {count(len(starts), 'start')}: some were trained on from the same weights, so intervals show "
        "the spread around these, not over trainings of their own"
    )


def _starts(evidence: Evidence) -> set[str]:
    """What the dense networks were trained from: the first file of each one's ancestry that is known, or itself."""
    parents = {one.trial.network: one.dense.parent for one in evidence.made}

    def start(network: str) -> str:
        seen = {network}
        while (parent := parents.get(network)) is not None and parent.sha256 and parent.sha256 not in seen:
            network = parent.sha256
            seen.add(network)
        return network

    return {start(network) for network in parents}


def spread(evidence: Evidence) -> Found:
    """Whether every mean has a sample standard deviation."""
    sizes = [len(run.trials) for run in evidence.group.runs]
    single = sum(size == 1 for size in sizes)
    if single:
        return False, f"{single} of {count(len(sizes), 'run')} are a single file"
    return True, f"over {min(sizes)}" + (f" to {max(sizes)}" if max(sizes) > min(sizes) else "") + " files a run"

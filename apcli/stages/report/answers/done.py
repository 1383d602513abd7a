"""What was done, in one line."""

from apcli.stages.report.runs.experiment import Group, Report
from apcli.words import count


def done(report: Report, group: Group) -> str:
    """Model, data, layers, methods, sparsities, dense networks, seeds and epochs of a group."""
    trials = [trial for run in group.runs for trial in run.trials]
    seeds = {trial.seed for trial in trials if trial.seed is not None}
    networks = {trial.network for trial in trials}
    layers = list(dict.fromkeys(layer for trial in trials for layer in trial.layers))
    listed = ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
    epochs = max((run.epochs[-1] for run in group.runs if run.epochs), default=0)
    sizes = [count(len(group.methods), "method")]
    sizes += [count(len(group.sparsities), "sparsity")] if group.sparsities else []
    listing = [
        group.title,
        f"compared: {listed}" if layers else "",
        " × ".join(sizes),
        count(len(networks), "dense network"),
        count(len(seeds), "seed") if seeds else "",
        f"{count(epochs, 'epoch')} of fine-tuning" if epochs else "",
    ]
    return " · ".join(fact for fact in listing if fact)

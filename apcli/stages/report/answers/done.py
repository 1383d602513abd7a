"""What was done, in one line."""

from collections.abc import Iterable, Sequence

from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.runs.labels import label_of
from apcli.stages.report.runs.making import Made, made_of
from apcli.words import count, few, in_one_line

NAMED = 3  # layers that are named


def done(report: Report, group: Group) -> str:
    """Model, data, layers, methods, sparsities, dense networks, seeds and fine-tuning, as far as they are known."""
    if not group.runs:
        files = {record.pruned.identity for record in (*group.bounds, *group.behaviours)}
        return in_one_line(f"{group.title} · {count(len(files), 'pruned file')}")
    made = made_of(group)
    parts = [group.title, _layers(made), _methods(group), *_replicates(group), _tuning(group, made)]
    return in_one_line(" · ".join(part for part in parts if part))


def _layers(made: Sequence[Made]) -> str:
    pruned = list(dict.fromkeys(layer for one in made for layer in one.pruned))
    if len(pruned) > 1 and set(pruned) == {layer for one in made for layer in one.layers.values()}:
        return f"all {len(pruned)} layers"
    if len(pruned) == 1:
        return f"last layer ({pruned[0]})" if pruned[0] in {one.last for one in made} else f"layer {pruned[0]}"
    return f"{len(pruned)} layers: {few(pruned, NAMED)}" if pruned else ""


def _methods(group: Group) -> str:
    """``3 methods × 4 sparsities, l1 (filter) × 2``: the methods by their number of sparsities, the most first."""
    by_method: dict[str, set[float]] = {}
    unnamed = 0
    for run in group.runs:
        method = label_of(run.trials[0], with_layers=False)
        if method is None:
            unnamed += len(run.trials)
        else:
            by_method.setdefault(method, set()).update([] if run.sparsity is None else [run.sparsity])
    by_size: dict[int, list[str]] = {}
    for method, sparsities in by_method.items():
        by_size.setdefault(len(sparsities), []).append(method)
    parts: list[str] = []
    for size, methods in sorted(by_size.items(), key=lambda item: (-len(item[1]), -item[0])):
        first = few(methods, NAMED) if parts else count(len(methods), "method")
        parts.append(first + (f" × {size if parts else count(size, 'sparsity')}" if size else ""))
    return ", ".join([*parts, *([f"{count(unnamed, 'file')} of unknown method"] if unnamed else [])])


def _replicates(group: Group) -> Iterable[str]:
    """The number of dense networks, and of seeds of each."""
    networks = {trial.network for run in group.runs for trial in run.trials}
    seeds: dict[tuple[str, str], set[tuple[int | None, int | None]]] = {}
    for run in group.runs:
        for trial in run.trials:
            seeds.setdefault((run.name, trial.network), set()).add((trial.seed, trial.mask_seed))
    yield count(len(networks), "dense network")
    if any(trial.seed is not None for run in group.runs for trial in run.trials):
        yield count(max(map(len, seeds.values())), "seed") + (" each" if len(networks) > 1 else "")


def _tuning(group: Group, made: Sequence[Made]) -> str:
    known = [one for one in made if one.lineage.is_known]
    epochs = {sum(stage.options["epochs"] for stage in one.tuned) for one in known}
    if not known:
        epochs = {run.epochs[-1] for run in group.runs if run.epochs}
    if not epochs - {0}:
        return "no fine-tuning" if known else ""
    images = {one.images for one in known if one.tuned} - {None}
    on = f" on {_range(images, 'image')}" if images else ""  # type: ignore[arg-type]
    return f"{_range(epochs, 'epoch')} of fine-tuning{on}"


def _range(values: set[int], noun: str) -> str:
    least, most = min(values), max(values)
    return f"{most:,} {noun}{'s' * (most != 1)}" if least == most else f"{least:,} to {most:,} {noun}s"

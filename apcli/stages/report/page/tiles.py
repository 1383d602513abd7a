"""The summary of a group: the size of the experiment, and its main numbers as tiles."""

from collections.abc import Sequence
from dataclasses import dataclass

from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import FINAL, moment_name
from apcli.stages.report.runs.quantities import ApMeasure
from apcli.stages.report.words import bracketed, signed, spread
from apcli.words import MANY, count


@dataclass(frozen=True)
class Tile:
    """A number with its name, a small text ``beside`` it, and a line below."""

    name: str
    big: str
    small: str
    beside: str = ""


def facts(group: Group) -> str:
    """The size of a group, in one line."""
    seeds = {trial.seed for run in group.runs for trial in run.trials if trial.seed is not None}
    layers = list(dict.fromkeys(layer for run in group.runs for trial in run.trials for layer in trial.layers))
    listed = ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
    epochs = max((run.epochs[-1] for run in group.runs if run.epochs), default=0)
    listing = [
        count(len(group.runs), "run"),
        count(len(group.methods), "method"),
        count(len(group.sparsities), "sparsity") if group.sparsities else "",
        count(len(seeds), "seed") if seeds else "",
        f"{count(epochs, 'epoch')} of fine-tuning" if epochs else "",
        f"compared: {listed}" if layers else "",
    ]
    return " · ".join(fact for fact in listing if fact)


def tiles(group: Group, agreements: Sequence[Agreement]) -> list[Tile]:
    """Tiles of every measure's tau (of the best and of AP2 if there are many), then of accuracies."""
    overall: dict[ApMeasure, Agreement] = {}
    for a in agreements:
        if a.over == "all" and a.moment == FINAL and a.tau is not None:
            overall.setdefault(a.measure, a)
    shown = dict.fromkeys(overall.values(), "")
    if len(shown) > MANY:
        best = max(shown, key=lambda a: a.tau or 0.0)
        shown = {best: f", the best of {len(overall)}"}
        shown |= {a: "" for a in overall.values() if a.measure.is_number and a is not best}
    return [*(_tile(group, agreements, a, remark) for a, remark in shown.items()), *_accuracies(group)]


def _tile(group: Group, agreements: Sequence[Agreement], a: Agreement, remark: str) -> Tile:
    same = [b for b in agreements if b.over == "same sparsity" and b.about == a.about]
    fixed = f"; {sum(b.agree for b in same)} of {sum(b.pairs for b in same)} at one sparsity" if same else ""
    words = f"{a.agree} of {count(a.pairs, 'pair')} in the order of PD ({a.target.words}){fixed}"
    name = f"{a.measure.label} {moment_name(group, FINAL)}{remark}"
    return Tile(name, f"τ {signed(a.tau or 0.0)}", words, bracketed(a.interval))


def _accuracies(group: Group) -> list[Tile]:
    dense = [value for run in group.runs if (value := run.accuracy("dense"))]
    shown = [Tile("Dense network", f"{dense[0].mean:.2f} %", f"test accuracy, {spread(dense[0], 2)}")] if dense else []
    known: list[tuple[float, Run]] = [(value.mean, run) for run in group.runs if (value := run.accuracy("pruned"))]
    if len(known) > 1:
        worst, best = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
        small = f"test accuracy, from {worst[1].name} to {best[1].name}"
        shown.append(Tile("Pruned networks", f"{worst[0]:.1f} – {best[0]:.1f} %", small))
    return shown

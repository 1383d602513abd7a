"""Where the weights went: sparsity and divergence of every layer."""

from apcli.stages.report.evidence.section import Section, named
from apcli.stages.report.runs.experiment import Group, Report, Run, stat
from apcli.stages.report.runs.quantities import ApMeasure
from apcli.stages.report.tables.columns import Column, table_of
from apcli.words import join

MEASURES = 5  # shown at first


def layers(report: Report, group: Group) -> Section | None:
    """The section; None unless several layers were compared, each by itself."""
    names = list(dict.fromkeys(name for run in group.runs for trial in run.trials for name in trial.by_layer))
    if len(names) < 2:
        return None
    listed = [(run, name) for run in group.runs for name in names if any(name in t.by_layer for t in run.trials)]
    columns = [
        *named([run for run, _ in listed]),
        Column("layer", tuple(name for _, name in listed)),
        Column("share of zeros", tuple(_mean(run, name, None) for run, name in listed)),
        *(
            Column(
                measure.label,
                tuple(_mean(run, name, measure) for run, name in listed),
                "" if measure.is_number else "divergence",
                measure.unit,
                further=place >= MEASURES,
            )
            for place, measure in enumerate(group.measures)
        ),
        Column("files", tuple(sum(name in t.by_layer for t in run.trials) for run, name in listed)),
    ]
    caption = "Means over files, final network."
    return Section(
        _about_groups(group), (), (table_of("layers", "Every layer of every run", columns, caption, keys=3),)
    )


def _about_groups(group: Group) -> tuple[str, ...]:
    """Why values of grouped weights are not those of the network; nothing without such a measure."""
    grouped = [measure.label for measure in group.measures if measure.params.get("groups")]
    if not grouped:
        return ()
    return (
        f"{join(grouped)}: a single layer is averaged in as many groups as the whole network, so in smaller ones. "
        "Compare layers of one size with each other; a layer’s value is no part of the network’s.",
    )


def _mean(run: Run, layer: str, measure: ApMeasure | None) -> float | None:
    """The mean over the files of a layer's share of zeros, or of a measure."""
    there = [trial.by_layer[layer] for trial in run.trials if layer in trial.by_layer]
    found = stat(one.actual if measure is None else one.values.get(measure.key) for one in there)
    return None if found is None else found.mean

"""Measures that order runs alike by construction: one witness, whatever their number."""

from collections.abc import Sequence

from apcli.projections.caveats import same_order
from apcli.registry.tables import Parameter
from apcli.stages.report.runs.quantities import ApMeasure
from apcli.words import few, join

_AP2 = "ap2"


def witnesses(measures: Sequence[ApMeasure]) -> list[ApMeasure]:
    """The first measure of those that order runs alike by construction, and each that may not."""
    return [members[0] for members in _families(measures)]


def listed(measures: Sequence[ApMeasure]) -> str:
    """The names of the witnesses; of many, the first ones and how many measures there are besides."""
    return few([measure.label for measure in witnesses(measures)], others="other measures")


def one_witness(measures: Sequence[ApMeasure]) -> str:
    """A sentence on the measures that are one witness; empty if there are none such."""
    told = []
    for members in _families(measures):
        if len(members) > 1:
            names = [measure.label for measure in members]
            told.append(f"{join(names)} order runs alike by construction; {names[0]} is named for them.")
    return " ".join(told)


def _families(measures: Sequence[ApMeasure]) -> list[list[ApMeasure]]:
    """The measures, those that grow with the same distance of the weights together."""
    found: dict[tuple[Parameter, ...] | str, list[ApMeasure]] = {}
    for measure in measures:
        found.setdefault(_family(measure), []).append(measure)
    return list(found.values())


def _family(measure: ApMeasure) -> tuple[Parameter, ...] | str:
    """The groups of weights whose distance alone decides a measure's order; another one's own label."""
    grows = measure.dist == _AP2 or same_order(measure.dist, measure.params)
    return (measure.params.get("groups") or 0,) if grows else measure.label

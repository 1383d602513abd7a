"""The limits of the numbers, whatever their values."""

from collections.abc import Iterable

from apcli.projections.caveats import NOT_PROVEN, of_projection
from apcli.stages.report.runs.experiment import Group
from apcli.words import join


def caveats(groups: Iterable[Group]) -> list[str]:
    """Sentences on what the measures of these groups cannot show."""
    measures = {measure.key: measure for group in groups for measure in group.measures}.values()
    labelled: dict[str, list[str]] = {}
    for measure in measures:
        for words in of_projection(measure.dist, measure.params):
            labelled.setdefault(words, []).append(measure.label)
    named = {words: list(dict.fromkeys(labels)) for words, labels in labelled.items()}
    lines = [f"{join(names)}{': each' if len(names) > 1 else ''} {words}" for words, names in named.items()]
    return [*lines, NOT_PROVEN]

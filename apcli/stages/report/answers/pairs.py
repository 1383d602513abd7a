"""Pairs of runs, counted where they are too few for a rank agreement, and at the highest sparsity."""

from collections.abc import Sequence

from apcli.stages.report.answers.chance import chance_level, is_chance
from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.comparisons.witnesses import listed
from apcli.stages.report.runs.experiment import Run
from apcli.stages.report.runs.moments import JUST_PRUNED
from apcli.stages.report.runs.quantities import ApMeasure
from apcli.stages.report.words import percent
from apcli.words import few

RUNS = 5  # of one dense network: fewer are too few to say
LEAST = RUNS * (RUNS - 1) // 2  # pairs of them


def are_few(agreement: Agreement) -> bool:
    """Whether the dense networks have fewer pairs of runs, on average, than a rank agreement can be read from."""
    return agreement.pairs < LEAST * len(agreement.networks)


def in_words(agreement: Agreement) -> str:
    """Kendall's tau with its interval; the pairs that agree where they are few."""
    return f"{agreement.agree} of {agreement.pairs} pairs" if are_few(agreement) else agreement.words


def counted(agreements: Sequence[Agreement]) -> str:
    """``AP2 2 of 3``: the pairs that agree, and all, of each measure; most of them first."""
    alike: dict[tuple[int, int], list[ApMeasure]] = {}
    for one in sorted(agreements, key=lambda one: -one.agree):
        alike.setdefault((one.agree, one.pairs), []).append(one.measure)
    return few([f"{listed(measures)} {agree} of {pairs}" for (agree, pairs), measures in alike.items()])


def at_the_sparsest(agreements: Sequence[Agreement]) -> str:
    """A sentence on the pairs at the highest sparsity; empty if all runs are at one.

    Args:
        agreements: at one moment, with one PD.
    """
    there = [one for one in agreements if one.over == "sparsity" and one.sparsity is not None]
    top = max((one.sparsity for one in there if one.sparsity is not None), default=None)
    if top is None:
        return ""
    alone = [one for one in there if one.sparsity == top]
    text = f"Agreement over all runs comes partly from sparsity: at {percent(top)} alone, pairs in the same order: "
    return f"{text}{counted(alone)} (half by chance){_noise(alone[0])}."


def at_chance(agreement: Agreement) -> str:
    """A clause on how many of the runs are at chance level; empty unless they are several."""
    level, at = _at_chance(agreement)
    return f", {len(at)} of them at chance level ({level:.3g} %), where their order is noise" if len(at) > 1 else ""


def _noise(agreement: Agreement) -> str:
    """A clause that names the runs that are at chance level; empty unless they are several."""
    level, at = _at_chance(agreement)
    if len(at) < 2:
        return ""
    named = few([run.method for run in at])
    return f"; {named} are at chance level ({level:.3g} %) there, and their order is noise"


def _at_chance(agreement: Agreement) -> tuple[float | None, list[Run]]:
    """The level of chance, and the runs that are there."""
    level = chance_level(agreement.runs)
    return level, [run for run in agreement.runs if is_chance(_accuracy(run, agreement), level)]


def _accuracy(run: Run, agreement: Agreement) -> float | None:
    """A run's mean test accuracy at the moment of an agreement."""
    known = run.accuracy("before" if agreement.moment == JUST_PRUNED else "pruned")
    return known.mean if known else None

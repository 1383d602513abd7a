"""How budgets were shared, as figures draw it."""

import re
from pathlib import PurePath

from apcli.figures.study import Dependence, DependenceByEpoch, LayerValues
from apcli.records.pair import File
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.runs.trials import scope_in
from apcli.stages.report.runs.widths import shared_of
from apcli.words import told_apart

_STATEMENT = re.compile("nHSIC with the (images|labels), pruned")


def widths_of(group: Group) -> tuple[LayerValues, ...]:
    """The kept share and the importance of each unit, means over the files of a run."""
    made = []
    for shared in shared_of(group):
        for unit in shared.units:
            values = {"kept share": shared.share(unit), "importance": shared.evidence("importance", unit)}
            known = {name: value for name, value in values.items() if value is not None}
            made.append(LayerValues(shared.run.method, shared.run.sparsity, unit, known))
    return tuple(made)


def dependences_of(group: Group) -> tuple[Dependence, ...]:
    """The maps of nHSIC, each once: budgets and methods of one network have the same."""
    found: dict[tuple[tuple[str, ...], tuple[tuple[float, ...], ...]], str] = {}
    for shared in shared_of(group):
        for one in shared.maps:
            found.setdefault((one.names, one.values), f"{scope_in(shared.run.trials[0].scope) or 'layer'}, {one.title}")
    titles = list(found.values())
    numbered = [f"{title} ({n})" if titles.count(title) > 1 else title for n, title in enumerate(titles, 1)]
    return tuple(Dependence(title, *one) for title, one in zip(numbered, found, strict=True))


def dependence_by_epoch_of(group: Group) -> tuple[DependenceByEpoch, ...]:
    """nHSIC of traced networks with images and labels, by the bound records that state it."""
    files: dict[str, File] = {}
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for record in group.bounds:
        words = _STATEMENT.fullmatch(record.bound.statement)
        if words is None or record.epoch is None or record.bound.measured is None:
            continue
        file = record.pruned.identity
        files.setdefault(file, record.pruned)
        curves = found.setdefault((file, words[1]), {})
        curves.setdefault(record.layer, {})[record.epoch] = record.bound.measured
    titles = dict(zip(files, told_apart(list(map(_names, files.values()))), strict=True))
    return tuple(
        DependenceByEpoch(titles[file], target, {layer: tuple(sorted(at.items())) for layer, at in curves.items()})
        for (file, target), curves in found.items()
    )


def _names(file: File) -> tuple[str, ...]:
    """What may name the file in a figure, short ones first."""
    path = file.path or "unnamed"
    return PurePath(path).name.removesuffix(".safetensors"), path, f"{path} ({file.sha256})"

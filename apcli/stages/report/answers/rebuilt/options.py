"""Settings of a lineage as the options of a command line that give them.

Those that the command has by default are left out, but for what it decides by the device.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Json
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, TrainConfig
from apcli.configs.values import defaults_of, option_of
from apcli.data import DATASETS, FOLDER, DatasetRow
from apcli.errors import ApcliError
from apcli.models.named import described
from apcli.models.spec import ModelSpec
from apcli.projections import DISTRIBUTIONS
from apcli.registry.tables import Parameter, Table
from apcli.stages.report.runs.quantities import ApMeasure
from apcli.theory import MEASURES
from apcli.training.recipe import Cpu, recipe_of

_BY_DEVICE = "amp"  # off on a CPU, on with CUDA
_OTHERWISE = {"seed", "dense", "teacher"}  # settings that the commands of training say in another way

Words = tuple[str, ...]
Paths = Mapping[str, str]  # by SHA-256


def of_training(lineage: Lineage, settings: Json, paths: Paths) -> Words:
    """The options of ``apcli train``, without those that name the network, the seed and files."""
    data = lineage.data or {}
    words = [*_pair("data", data.get("name")), *_pair("images", data.get("part"))]
    words += _pair("exif_orientation", data.get("exif_orientation"))
    words += _differing(settings, _defaults(lineage, LoopConfig(), TrainConfig))
    return (*words, *_inputs(lineage, pretrained=bool(settings.get("pretrained"))), *_teacher(settings, paths))


def of_fine_tuning(lineage: Lineage, dense: Lineage, settings: Json, paths: Paths) -> Words:
    """The options of ``apcli finetune``; the data are said where they are not those of the ``dense`` file."""
    now, before = lineage.data or {}, dense.data or {}
    words = [] if now.get("name") == before.get("name") else [*_pair("data", now.get("name"))]
    words += [] if now.get("part") == before.get("part") else [*_pair("images", now.get("part") or 0)]
    turned = now.get("exif_orientation", False)
    words += [] if turned == before.get("exif_orientation", False) else [*_pair("exif_orientation", turned)]
    words += _differing(settings, _defaults(lineage, FinetuneConfig().loop, FinetuneConfig))
    own = settings.get("seed") in (lineage.seed or 0, None)
    return (*words, *([] if own else _pair("seed", settings["seed"])), *_teacher(settings, paths))


def of_pruning(settings: Json, paths: Paths) -> Words:
    """The options of ``apcli prune``, without method, amount, seed and the file whose zeros are counted."""
    named = {"method", "sparsity", "compression", "seed", "other", "rewind_to", "latency_table"}
    words = _differing({k: v for k, v in settings.items() if k not in named}, defaults_of(PruneConfig))
    files = {"--rewind-to": settings.get("rewind_to"), "--latency-table": settings.get("latency_table")}
    named_files = [word for option, sha in files.items() if sha is not None for word in (option, file_of(sha, paths))]
    return (*words, *named_files)


def of_measuring(measures: Iterable[ApMeasure]) -> list[Words]:
    """The options of ``apcli divergence``, for each way in which the measures were computed."""
    alike: dict[Words, list[ApMeasure]] = {}
    for measure in measures:
        record = measure.record
        how = {"estimator": record.estimator, **(record.draws or {}), **(record.evaluated or {})}
        alike.setdefault(tuple(_differing(how, defaults_of(DivergenceConfig))), []).append(measure)
    commands = []
    for words, members in alike.items():
        dists = dict.fromkeys(_spec_of(DISTRIBUTIONS, one.dist, one.params) for one in members)
        others = [one.record for one in members if not one.is_number]
        names = dict.fromkeys(_spec_of(MEASURES, one.measure or "", one.measure_params) for one in others)
        told = [] if set(names) <= {DivergenceConfig.measure} else ["--measure", ",".join(names)]
        commands.append(("--dist", ",".join(dists), *told, *words))
    return commands


def _spec_of(table: Table[Any], name: str, parameters: Mapping[str, Parameter]) -> str:
    row = table.get(name)
    known = {k: v for k, v in parameters.items() if row is None or k in row.defaults(parameters)}
    return table.spec_of(name, known)


def file_of(sha256: str, paths: Paths) -> str:
    """The name of a file; one that is not known is named by its SHA-256."""
    return paths.get(sha256) or f"FILE-{sha256[:12]}"


def text_of(value: object) -> str:
    """A setting as the command line's text."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={text_of(share)}" for name, share in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _spec(lineage: Lineage) -> ModelSpec | None:
    try:
        return described(lineage.model)
    except ApcliError:
        return None


def _row(lineage: Lineage) -> DatasetRow | None:
    name = lineage.data_name or ""
    return FOLDER if name.startswith(f"{FOLDER.name}:") else DATASETS.get(name.partition(":")[0])


def _defaults(lineage: Lineage, loop: LoopConfig, config: type) -> dict[str, Any]:
    """The settings that the command has without options, on a CPU; those that depend on unknown rows are None."""
    spec, row = _spec(lineage), _row(lineage)
    usual = recipe_of(loop, spec, row, Cpu()).settings() if spec and row else {}
    captured = {"cuda_graph": True}  # where it can be, and so nothing to say
    known = {**defaults_of(config), **captured, **{name: value for name, value in usual.items() if name != _BY_DEVICE}}
    return {name: value for name, value in known.items() if name not in _OTHERWISE}


def _differing(settings: Json, defaults: Json) -> list[str]:
    """The options of the settings that are not the defaults, of those that the command knows."""
    words: list[str] = []
    for name, value in settings.items():
        if name in defaults and value != defaults[name]:
            words += _pair(name, value)
    return words


def _pair(name: str, value: object) -> Iterator[str]:
    """An option with its value: a flag, several of a list, or none of None."""
    option = option_of(name)
    if isinstance(value, bool):
        yield option if value else f"--no-{option[2:]}"
    elif isinstance(value, list):
        for member in value:
            yield from (option, text_of(member))
    elif value is not None:
        yield from (option, text_of(value))


def _inputs(lineage: Lineage, *, pretrained: bool) -> Iterator[str]:
    """The options about the network's input and output that its data do not imply."""
    spec, row = _spec(lineage), _row(lineage)
    if spec is None or row is None:
        return
    if spec.num_classes != (lineage.data or {}).get("classes"):
        yield from _pair("num_classes", spec.num_classes)
    usual = row.contents.shape[1] if row.contents else row.size
    if spec.input_size[1] != usual or spec.source != "apcli":
        yield from _pair("input_size", spec.input_size[1])
    for name, given, own in (("mean", spec.mean, row.mean), ("std", spec.std, row.std)):
        if own and not pretrained and given != own * (len(given) // len(own)):
            yield from (option_of(name), ",".join(map(text_of, given)))


def _teacher(settings: Json, paths: Paths) -> Iterator[str]:
    teacher = settings.get("teacher")
    if teacher is not None:
        yield from ("--teacher", "dense" if teacher == settings.get("dense") else file_of(teacher, paths))

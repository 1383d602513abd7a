"""The command lines that made a group's files and its records, rebuilt from lineages.

Files that differ in the dense network, the method, the amount or the seed alone are made by one line with lists.
"""

import posixpath
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, pairwise
from typing import Any

from apcli import published
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Json, Settings, is_count
from apcli.configs.shared import DataConfig
from apcli.configs.training import ModelConfig, TrainConfig
from apcli.errors import ApcliError
from apcli.models.named import said
from apcli.stages.report.answers.rebuilt.options import (
    Paths,
    Words,
    file_of,
    of_fine_tuning,
    of_measuring,
    of_pruning,
    of_training,
    text_of,
)
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.runs.making import Made, made_of
from apcli.stages.trained_names import train_stems

DENSE, FILES, RECORDS = "dense.txt", "files.txt", "records.jsonl"  # where lines leave what they print for others
_AMOUNTS = ("sparsity", "compression")
_LIKE, _MASK = "random-same-layers", "mask"


@dataclass(frozen=True)
class Line:
    """A pipeline, which makes all combinations of its lists.

    Attributes:
        stages: the words of each command, without those below, which belong to its only ``prune``.
        sources: the dense files.
        others: of each dense file, the file whose zeros are copied or counted; none of a method without.
        amount: the option that ``amounts`` are values of.
        tuned: the seeds of the last ``finetune``, if it made a file for each of several.
    """

    stages: tuple[Words, ...]
    sources: tuple[str, ...]
    others: tuple[str, ...] = ()
    amount: str = ""
    amounts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    tuned: tuple[int, ...] = ()


def commands_of(group: Group) -> tuple[str, ...]:
    """The command lines in the order in which they can be run; none of files whose lineage is not known."""
    made = [one for one in made_of(group) if one.lineage.is_known]
    paths = _paths(made)
    lines = _lines(made, paths)
    if not lines:
        return ()
    trained, trainings = _trainings(made, paths)
    ordered = sorted(lines, key=lambda line: bool(line.others))
    pipes = [_pipe(line, trained) for line in ordered]
    if any(_takes(line, trained) for line in ordered):
        trainings = _collected(trainings, DENSE)
    layers = _compared(made)
    measuring = [_text(["apcli", "divergence", *words, *layers]) for words in of_measuring(group.measures)]
    if len(measuring) > 1:
        measured = _collected([f"{command} < {FILES}" for command in measuring], RECORDS)
        return (*trainings, *_collected(pipes, FILES), *measured, f"apcli report {RECORDS}")
    if len(pipes) > 1:
        return (*trainings, *_collected(pipes, FILES), f"{measuring[0]} < {FILES} | apcli report")
    return (*trainings, f"{pipes[0]} | {measuring[0]} | apcli report")


def _compared(made: Sequence[Made]) -> Words:
    """The options about the compared layers, unless these are the pruned ones, by themselves and together."""
    if not any(one.trial.layers for one in made):
        return "--level", "network"
    return ("--layers", "all") if any(set(one.trial.layers) > set(one.pruned) for one in made) else ()


def _collected(commands: Sequence[str], place: str) -> list[str]:
    """Commands whose output goes to one file."""
    return [f"{command} {'>>' if number else '>'} {place}" for number, command in enumerate(commands)]


def _paths(made: Iterable[Made]) -> dict[str, str]:
    """The known paths by SHA-256, as the records have them: those of lineages start from their file's folder."""
    paths: dict[str, str] = {}
    for one in made:
        sides = ((one.trial.pruned, one.lineage), (one.trial.dense, one.dense))
        for file, lineage in sides:
            paths.update({file.sha256: file.path} if file.sha256 and file.path else {})
            for link in (lineage.parent, lineage.dense):
                if link is not None and link.path is not None:
                    paths.setdefault(link.sha256, _beside(file.path, link.path))
    return {sha256: f"./{path}" if path.startswith("-") else path for sha256, path in paths.items()}


def _beside(file: str | None, path: str) -> str:
    """A path that starts from the folder of a file; the name of published weights as it is."""
    if published.is_name(path):
        return path
    return posixpath.normpath(posixpath.join(posixpath.dirname(file or ""), path))


def _trainings(made: Iterable[Made], paths: Paths) -> tuple[frozenset[str], list[str]]:
    """The dense files whose training is known, and their commands.

    There is one for each, or for several with the usual names that differ in their seeds alone.
    """
    dense = {one.trial.dense.sha256: one for one in made if one.dense.stage == "train" and one.trial.dense.sha256}
    ordered = sorted(
        dense.items(), key=lambda item: bool(item[1].dense.parent and item[1].dense.parent.sha256 in dense)
    )
    alike: dict[tuple[str, Words], list[tuple[int, str]]] = {}
    for sha256, one in ordered:
        words = (*of_training(one.dense, one.dense.last_settings.options, paths), *_weights(one.dense, paths))
        files = alike.setdefault((_network(one.dense), words), [])
        files.append((one.dense.seed or 0, file_of(sha256, paths)))
    commands = [
        _text(["apcli", "train", network, *words, *end])
        for (network, words), files in alike.items()
        for end in _named(network, words, files)
    ]
    return frozenset(path for files in alike.values() for _, path in files), commands


def _named(network: str, words: Words, files: Sequence[tuple[int, str]]) -> Iterator[Words]:
    """Seeds and output of the commands that make these files: of one, if their names are the usual ones."""
    seeds = [seed for seed, _ in files]
    folders = {posixpath.dirname(path) for _, path in files}
    if len(folders) == 1 and [posixpath.basename(path) for _, path in files] == _usual_names(network, words, seeds):
        yield (*_seeds(seeds if seeds != [0] else []), *_output(folders.pop()))
        return
    for seed, path in files:
        yield (*_seeds([seed] if seed else []), *_output(path))


def _usual_names(network: str, words: Words, seeds: Sequence[int]) -> list[str]:
    """The names that the files of one training with several seeds get without ``--output``."""
    data = DataConfig(dict(pairwise(words)).get("--data"))
    try:
        ((_, names),) = train_stems(TrainConfig(ModelConfig(name=network), data, seeds=tuple(seeds)))
    except ApcliError:  # a network, or data, that this version does not know or find
        return []
    return [f"{names[seed]}.safetensors" for seed in seeds]


def _output(place: str) -> Words:
    return ("--output", place) if place else ()


def _seeds(seeds: Sequence[int]) -> Words:
    named = {0: (), 1: ("--seed",)}.get(len(seeds), ("--seeds",))
    return (*named, ",".join(map(str, seeds))) if named else ()


def _network(lineage: Lineage) -> str:
    model = lineage.model or {}
    return said(str(model.get("source")), model.get("name", "MODEL"))


def _weights(lineage: Lineage, paths: Paths) -> Words:
    if lineage.parent is None or lineage.last_settings.options.get("pretrained"):
        return ()
    return "--weights", file_of(lineage.parent.sha256, paths)


def _lines(made: Sequence[Made], paths: Paths) -> list[Line]:
    """The lines of all files: first one for each, then merged by what may be a list."""
    seeds: dict[Line, list[int]] = {}
    own: dict[Line, int] = {}
    for one in made:
        line, seed = _line(one, paths)
        own[line] = one.lineage.seed or 0
        seeds.setdefault(line, []).extend([] if seed is None else [seed])
    lines = [replace(line, seeds=_said(drawn, own[line])) for line, drawn in seeds.items()]
    for fields in (("tuned",), ("sources", "others"), ("amounts",), ("methods",)):
        lines = _merged(lines, fields)
    return lines


def _said(seeds: list[int], own: int) -> tuple[int, ...]:
    """The seeds that a command must say; none if it is the checkpoint's own."""
    drawn = tuple(sorted(set(seeds)))
    return () if drawn == (own,) else drawn


def _merged(lines: Sequence[Line], fields: Sequence[str]) -> list[Line]:
    """Lines that differ in ``fields`` alone become one with the values of all."""
    alike: dict[Line, list[Line]] = {}
    nothing: dict[str, Any] = dict.fromkeys(fields, ())
    for line in lines:
        alike.setdefault(replace(line, **nothing), []).append(line)
    return [replace(rest, **{name: _all(members, name) for name in fields}) for rest, members in alike.items()]


def _all(lines: Iterable[Line], name: str) -> Any:
    """The values of one field, each once."""
    return tuple(dict.fromkeys(value for line in lines for value in getattr(line, name)))


def _line(one: Made, paths: Paths) -> tuple[Line, int | None]:
    """The line that makes one file, and the seed of its mask; None: nothing was drawn."""
    stages = _after_training(one)
    source = file_of(one.trial.dense.sha256 or "", paths)
    unknown = () if one.dense.is_known else ("--model", _network(one.lineage))
    prunings = [stage for stage in stages if stage.stage == "prune"]
    words: list[Words] = []
    tuned = _seed_in_name(one)
    for place, stage in enumerate(stages, 1):
        if stage.stage == "finetune":
            said_below = {"seed": None} if tuned and place == len(stages) else {}
            options = of_fine_tuning(one.lineage, one.dense, {**stage.options, **said_below}, paths)
        else:
            options = of_pruning(stage.options, paths)
            if len(prunings) > 1:
                options = (*_chosen(stage.options, paths), *options)
        words.append(("apcli", str(stage.stage), *options, *(unknown if not words else ())))
    for place, folder in _folders(one, len(stages), source, paths).items():
        words[place] += ("--output", folder or ".")
    line = Line(tuple(words), (source,), tuned=tuned)
    if len(prunings) != 1:
        return line, None
    return _with_choice(line, prunings[0].options, paths), prunings[0].options.get("seed")


def _seed_in_name(one: Made) -> tuple[int, ...]:
    """The seed of the last fine-tuning, if the file's name has it as one of several of ``--seeds``."""
    last = one.lineage.last_settings
    seed: Any = last.options.get("seed")
    name = posixpath.basename(one.trial.pruned.path or "")
    several = last.stage == "finetune" and is_count(seed) and name.endswith(f".seed{seed}.safetensors")
    return (seed,) if several else ()


def _folders(one: Made, stages: int, source: str, paths: Paths) -> dict[int, str]:
    """By a stage's place, the folder of its results if it is not that of its input; known of the last two stages."""
    link = one.lineage.parent
    parent = paths.get(link.sha256, source) if link and stages > 1 else source
    made = [(source, parent), (parent, one.trial.pruned.path or parent)][-stages:]
    folders = [(posixpath.dirname(before), posixpath.dirname(after)) for before, after in made]
    return {stages - len(made) + k: after for k, (before, after) in enumerate(folders) if after != before}


def _after_training(one: Made) -> list[Settings]:
    """The stages that made the file from its dense one."""
    before = one.dense.settings
    if before and one.lineage.settings[: len(before)] == before:
        return list(one.lineage.settings[len(before) :])
    return list(dropwhile(lambda stage: stage.stage not in ("prune", "finetune"), one.lineage.settings))


def _with_choice(line: Line, settings: Json, paths: Paths) -> Line:
    """The line with the lists of its only pruning."""
    amount = next((name for name in _AMOUNTS if settings.get(name) is not None), "")
    other, method = settings.get("other"), str(settings.get("method"))
    return replace(
        line,
        others=() if other is None else (file_of(other, paths),),
        amount=amount,
        amounts=(text_of(settings.get("limit") or settings[amount]),) if amount else (),
        methods=() if method == _MASK else (method,),
    )


def _chosen(settings: Json, paths: Paths) -> Words:
    """The words of one of several prunings for what lists would say of an only one."""
    seed = settings.get("seed")
    line = _with_choice(Line((), ()), settings, paths)
    return tuple(_lists(line if seed is None else replace(line, seeds=(seed,))))


def _lists(line: Line) -> Iterator[str]:
    if line.methods:
        yield from ("--method", ",".join(line.methods))
    if line.amounts:
        yield from (f"--{line.amount}", ",".join(line.amounts))
    if line.others:
        yield from ("--like" if line.methods == (_LIKE,) else "--mask-from", ",".join(line.others))
    yield from _seeds(line.seeds)


def _takes(line: Line, trained: frozenset[str]) -> bool:
    """Whether the line takes all of several trained files, and so their list."""
    return len(trained) > 1 and trained == set(line.sources)


def _pipe(line: Line, trained: frozenset[str]) -> str:
    """The line as the shell takes it."""
    several = sum(words[1] == "prune" for words in line.stages) > 1
    listed = _takes(line, trained)
    commands: list[str] = []
    for words in line.stages:
        inputs = () if commands or listed else line.sources
        lists = _lists(line) if words[1] == "prune" and not several else ()
        given = f" < {DENSE}" if listed and not commands else ""
        ends = _seeds(line.tuned) if len(commands) + 1 == len(line.stages) else ()
        commands.append(_text([*words[:2], *inputs, *lists, *words[2:], *ends]) + given)
    return " | ".join(commands)


def _text(words: Iterable[str]) -> str:
    """Words as the shell takes them."""
    return " ".join(map(shlex.quote, words))

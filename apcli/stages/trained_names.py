"""The names of trained networks' files: by model and data set, as short as tells them apart."""

from pathlib import Path

from apcli.configs.shared import DEFAULT_DATA
from apcli.configs.training import TrainConfig
from apcli.data import DATASETS, FOLDER
from apcli.models.spec import is_user_model, users_file
from apcli.words import told_apart


def train_stems(config: TrainConfig) -> list[tuple[TrainConfig, dict[int, str]]]:
    """Each model on each data set, with the name of its file for each seed, without its ending.

    What would have one name is told apart by more of what was given: ``nets-a`` and ``nets-b`` of a file ``nets.py``.
    """
    models = {one.model.name: _names_of_model(one.model.name) for one in config.each}
    sets = {one.data.name: _names_of_data(one.data.name or DEFAULT_DATA) for one in config.each}
    words = dict(zip(models, told_apart(list(models.values())), strict=True))
    data = dict(zip(sets, told_apart(list(sets.values())), strict=True))
    return [
        (one, {seed: f"{words[one.model.name]}-{data[one.data.name]}{_trial(seed, one)}" for seed in one.seeds})
        for one in config.each
    ]


def _trial(seed: int, config: TrainConfig) -> str:
    return f".seed{seed}" if len(config.seeds) > 1 else ""


def _names_of_model(given: str) -> list[str]:
    """What a model can be called in a file's name: its own name, then with its function and folders, or its library."""
    if is_user_model(given):
        place = users_file(given)
        return [place.path.stem, *_below(place.path.resolve().parent, f"{place.path.stem}-{place.function}")]
    source, colon, name = given.rpartition(":")
    return [name, f"{source}-{name}"] if colon else [name]


def _names_of_data(given: str) -> list[str]:
    """What a data set can be called in a file's name; a folder also with those that it is in."""
    kind, _, path = given.partition(":")
    if kind != FOLDER.name:
        return [DATASETS.parse(given).spec.replace(":", "-")]
    place = Path(path).expanduser().resolve()
    return _below(place.parent, place.name)


def _below(folder: Path, name: str) -> list[str]:
    """A name, and the name with ever more of the folders that it is in."""
    parents = [each.name for each in (folder, *folder.parents) if each.name]
    return ["-".join([*reversed(parents[:count]), name]) for count in range(len(parents) + 1)]

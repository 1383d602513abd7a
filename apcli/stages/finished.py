"""Tell that a result of training is there already, by lineages alone: PyTorch and the data are not loaded for nothing.

What cannot be known that way is left to the stage itself, which loads both and decides.
"""

import os
from pathlib import Path

from apcli.checkpoints import reading, traces
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Json
from apcli.configs.shared import DEFAULT_DATA, InputConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, TrainConfig
from apcli.data import DATASETS, FOLDER
from apcli.data.image_spec import ImageSpec
from apcli.errors import ApcliError
from apcli.models import MODELS
from apcli.models.named import described
from apcli.models.spec import code_of, resolve
from apcli.stages.outputs import Outputs
from apcli.stages.trained_names import train_stems
from apcli.training.recipe import Cpu, Recipe, recipe_of

_ACCELERATORS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))  # of CUDA, and of ROCm, which torch calls cuda too
_AS_THEY_ARE = InputConfig()


def trained(config: TrainConfig, outputs: Outputs) -> list[Path] | None:
    """The results of training, if all of them are there; None: one is not, or that cannot be told.

    It can be told of this package's networks on data that comes with it: other networks are described by their
    library or the user's code, and other data by its files.

    Raises:
        UsageError: the options do not go together.
    """
    loop = config.loop
    outputs.expect(len(config.each) * len(config.seeds))
    turned = config.data.exif_orientation  # of files
    if config.weights is not None or config.model.pretrained or loop.images or turned or not _is_told(loop, outputs):
        return None
    if any(one.model.name not in MODELS for one in config.each):
        return None
    found = {}
    for one, stems in train_stems(config):
        name = one.data.name or DEFAULT_DATA
        if name.startswith(f"{FOLDER.name}:"):
            return None
        data = DATASETS.parse(name)
        row, contents = data.row, data.row.contents
        if contents is None:
            return None
        spec = resolve(one.model.name, ImageSpec(contents.shape, contents.classes, row.mean, row.std), one.model)
        settings = train_settings(one, recipe_of(loop, spec, row, Cpu()), None)
        about = contents.described(data.spec)
        for seed, stem in stems.items():
            path = outputs.place(stem)
            wanted = Lineage.EMPTY.then("train", settings, model=spec.to_json(), data=about, seed=seed)
            if not path.is_file() or not _is_made_as(path, wanted):
                return None
            found[path] = wanted
    return [path for path, wanted in found.items() if outputs.has(path, wanted)]


def train_settings(config: TrainConfig, recipe: Recipe, teacher_sha256: str | None) -> Json:
    """The settings of every training."""
    return {
        **recipe.settings(),
        "pretrained": config.model.pretrained,
        "rename": config.rename,
        "code": code_of(config.model.name),
        "teacher": teacher_sha256,
        **({} if config.weights_key is None else {"weights_key": config.weights_key}),
    }


def can_tell(config: FinetuneConfig, outputs: Outputs) -> bool:
    """Whether the options say, together with a checkpoint, which file the stage would make."""
    plain = config.model is None and config.sparsity is None and config.inputs == _AS_THEY_ARE
    same_data = config.data.name is None and config.data.exif_orientation is None and config.loop.images is None
    return plain and same_data and _is_told(config.loop, outputs)


def _is_told(loop: LoopConfig, outputs: Outputs) -> bool:
    """Whether the options of a training do not need PyTorch to be understood, nor the training to be done anyway."""
    on_cpu = loop.device == "cpu" or (loop.device == "auto" and not any(map(Path.exists, _ACCELERATORS)))
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    fresh = outputs.overwrite or outputs.home is not None
    return on_cpu and alone and loop.teacher is None and not fresh


def _is_made_as(path: Path, wanted: Lineage) -> bool:
    try:
        return reading.read(path).lineage.made_as(wanted)
    except ApcliError:
        return False


def finetuned(source: Checkpoint, config: FinetuneConfig, outputs: Outputs, seed: int | None = None) -> Path | None:
    """The result of fine-tuning ``source``, if it is there with its trace; None: it is not, or that cannot be told.

    Args:
        seed: None: the checkpoint's own.

    Raises:
        UsageError: the options do not go together.
        VerificationError: the result has lost zeros.
    """
    known = source.lineage
    spec = described(known.model)
    if spec is None or known.data_name is None or known.layers is None or not known.pruned:
        return None
    if known.data_name.startswith(f"{FOLDER.name}:"):  # its images may have changed
        return None
    path = outputs.place(f"{source.stem}.finetuned{trial_of(config, seed)}", source)
    trace = traces.path_beside(path)
    if not path.is_file() or trace.exists() == (config.trace == "none"):
        return None
    try:
        dense = reading.dense_ancestor(source, config.dense, config.weights_key).sha256
        there = [reading.read(each).lineage for each in (path, trace) if each.exists()]
    except ApcliError:
        return None
    own_seed = known.seed or 0
    recipe = recipe_of(config.loop, spec, DATASETS.parse(known.data_name).row, Cpu())
    seed = own_seed if seed is None else seed
    settings = {**recipe.settings(), **settings_of(config), "seed": seed, "dense": dense, "teacher": None}
    parent = source.link(outputs.home_of(path))
    wanted = known.then("finetune", settings, model=spec.to_json(), seed=own_seed, parent=parent)
    lineages = [wanted, wanted.of_trace()][: len(there)]
    if not all(found.made_as(one) for found, one in zip(there, lineages, strict=True)):
        return None
    return path if outputs.has(path, wanted) else None


def trial_of(config: FinetuneConfig, seed: int | None) -> str:
    """The part of a result's name that tells the seeds of one command apart."""
    return f".seed{seed}" if len(config.seeds or ()) > 1 else ""


def settings_of(config: FinetuneConfig) -> Json:
    """The settings of every fine-tuning beside its recipe."""
    return {
        "update": config.update,
        "trace": config.trace,
        "recalibrate_bn": config.recalibrate_bn,
        "code": code_of(config.model),
        **({} if config.weights_key is None else {"weights_key": config.weights_key}),
    }

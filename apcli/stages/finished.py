"""Tell that a fine-tuned file is there already, by lineages alone: PyTorch and the data are not loaded for nothing.

What cannot be known that way is left to the stage itself, which loads both and decides.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from apcli.checkpoints import reading, traces
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.promises import Json
from apcli.configs.shared import InputConfig
from apcli.configs.training import FinetuneConfig
from apcli.data import DATASETS, FOLDER
from apcli.errors import ApcliError
from apcli.models.named import described
from apcli.models.spec import code_of
from apcli.stages.outputs import Outputs
from apcli.training.recipe import recipe_of

_ACCELERATORS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))  # of CUDA, and of ROCm, which torch calls cuda too
_AS_THEY_ARE = InputConfig()


@dataclass(frozen=True)
class Cpu:
    """The only device of a machine, as a recipe sees it."""

    type: str = "cpu"


def can_tell(config: FinetuneConfig, outputs: Outputs) -> bool:
    """Whether the options say, together with a checkpoint, which file the stage would make."""
    loop = config.loop
    on_cpu = loop.device == "cpu" or (loop.device == "auto" and not any(map(Path.exists, _ACCELERATORS)))
    plain = config.model is None and config.sparsity is None and config.inputs == _AS_THEY_ARE
    same_data = config.data.name is None and loop.images is None
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    fresh = outputs.overwrite or outputs.home is not None
    return on_cpu and plain and same_data and loop.teacher is None and alone and not fresh


def finetuned(source: Checkpoint, config: FinetuneConfig, outputs: Outputs) -> Path | None:
    """The result of fine-tuning ``source``, if it is there with its trace; None: it is not, or that cannot be told.

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
    path = outputs.place(f"{source.stem}.finetuned", source)
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
    seed = own_seed if config.seed is None else config.seed
    settings = {**recipe.settings(), **settings_of(config), "seed": seed, "dense": dense, "teacher": None}
    parent = source.link(outputs.home_of(path))
    wanted = known.then("finetune", settings, model=spec.to_json(), seed=own_seed, parent=parent)
    lineages = [wanted, wanted.of_trace()][: len(there)]
    if not all(found.made_as(one) for found, one in zip(there, lineages, strict=True)):
        return None
    return path if outputs.has(path, wanted) else None


def settings_of(config: FinetuneConfig) -> Json:
    """The settings of every fine-tuning beside its recipe."""
    return {
        "update": config.update,
        "trace": config.trace,
        "recalibrate_bn": config.recalibrate_bn,
        "code": code_of(config.model),
        **({} if config.weights_key is None else {"weights_key": config.weights_key}),
    }

"""Folders that timm loads by themselves: the weights, and in ``config.json`` the network and its input."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from apcli.checkpoints.state_dicts import entry_of
from apcli.checkpoints.writing import write as write_checkpoint
from apcli.libraries import library
from apcli.models.build import arguments, build
from apcli.models.spec import ModelSpec
from apcli.stages.export.library_networks import spec_in
from apcli.stages.export.products import Exported, Product

# What timm's own configuration of a network says that does not depend on its weights.
_KEPT = ("fixed_input_size", "interpolation", "crop_pct", "crop_mode", "first_conv", "classifier")


def write(exported: Exported, path: Path) -> None:
    """Write ``model.safetensors``, a checkpoint with its lineage, and ``config.json``.

    Raises:
        VerificationError: a pruned layer has fewer zeros than promised.
    """
    path.mkdir()
    entries = {name: entry_of(tensor) for name, tensor in exported.network.state_dict().items()}
    write_checkpoint(path / "model.safetensors", entries, exported.lineage_in(exported.home / path.name))
    config = _config(build(spec_in("timm", exported.spec)), exported)
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _config(theirs: Any, exported: Exported) -> dict[str, Any]:
    """The configuration in the form of ``timm.models.save_for_hf``."""
    spec = exported.spec
    own, known = arguments(spec_in("timm", spec)), theirs.pretrained_cfg
    classes = list(exported.checkpoint.lineage.classes)
    config = {
        "architecture": known["architecture"],
        "num_classes": spec.num_classes,
        "num_features": theirs.num_features,
        "pretrained_cfg": {
            **{key: known[key] for key in _KEPT if key in known},
            "custom_load": False,
            "num_classes": spec.num_classes,
            "input_size": list(spec.input_size),
            "mean": list(spec.mean),
            "std": list(spec.std),
        },
        "model_args": {key: value for key, value in own.items() if key != "num_classes"},
    }
    return {**config, "label_names": classes} if len(classes) == spec.num_classes else config


def read(path: Path, spec: ModelSpec) -> Product:
    """Let timm build the network and load its weights."""
    network: nn.Module = library("timm").create_model(f"local-dir:{path}", pretrained=True)
    loading = "timm.create_model('local-dir:...', pretrained=True)"
    return Product(network.eval(), network.state_dict(), loading)

"""Which network a checkpoint is, and its data: what the command line says, else what the lineage says."""

from pathlib import Path

import torch
from torch import nn

from apcli.checkpoints import Checkpoint
from apcli.configs import DEFAULT_DATA, DataConfig
from apcli.data.datasets import Dataset, load
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec, is_user_model, resolve
from apcli.models.weights import load_weights_
from apcli.operations import Tell
from apcli.state_dicts import load as load_tensors


class Networks:
    """Builds the networks of a stream of checkpoints on one device; each data set is read once.

    Args:
        model: ``--model``, for files that do not say what they are and for users' own networks.
        tell: shown one line of progress.
    """

    def __init__(self, data: DataConfig, model: str | None, device: torch.device, tell: Tell) -> None:
        self.data = data
        self.model = model
        self.device = device
        self.tell = tell
        self._datasets: dict[tuple[str, int], Dataset] = {}

    def spec_and_data(self, source: Checkpoint) -> tuple[ModelSpec, Dataset]:
        """The network that ``source`` is and its data, on the device.

        Raises:
            UsageError: one of them is not known, or the network has too few outputs for the data.
        """
        lineage = source.lineage or {}
        known = lineage.get("model")
        name = self.data.name or (lineage.get("data") or {}).get("name") or DEFAULT_DATA
        if self.data.name is None and name.startswith("folder:"):
            raise UsageError(
                f"{source.label} was trained on {name}, a folder that a file cannot name: give --data folder:PATH"
            )
        spec = None if known is None else ModelSpec.from_dict(known)
        if spec is not None and self.model is not None and not is_user_model(self.model):
            raise UsageError(
                f"--model is {self.model!r} but {source.label} says it is {spec.name!r}: leave --model out"
            )
        dataset = self._dataset(name, spec.input_size[1] if spec else 0)
        if spec is None:
            if self.model is None:
                raise UsageError(f"{source.label} does not say which network it is: give --model NAME")
            spec = resolve(
                self.model,
                data_shape=dataset.shape,
                data_classes=dataset.classes,
                data_mean=dataset.mean,
                data_std=dataset.std,
            )
        if spec.num_classes < dataset.classes:
            sizes = f"{spec.num_classes} outputs and {name} {dataset.classes} classes"
            raise UsageError(f"{source.label} has {sizes}: choose other --data")
        return spec, dataset

    def network(self, spec: ModelSpec, checkpoint: Checkpoint) -> nn.Module:
        """The network with the checkpoint's weights, on the device."""
        user_model = self.model if self.model is not None and is_user_model(self.model) else None
        model = build(spec, user_model=user_model)
        load_weights_(model, load_tensors(checkpoint), (), checkpoint.label)
        return model.to(self.device)

    def _dataset(self, name: str, size: int) -> Dataset:
        if (name, size) not in self._datasets:
            self.tell(f"loading {name}")
            data = self.data
            loaded = load(name, Path(data.data_dir), download=data.download, size=size or None, workers=data.workers)
            self._datasets[name, size] = loaded.to(self.device)
        return self._datasets[name, size]

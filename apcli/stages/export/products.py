"""What is exported, and what a product of it computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Json
from apcli.models.spec import ModelSpec


@dataclass(frozen=True)
class Exported:
    """A checkpoint's network on its way out.

    Attributes:
        network: with the checkpoint's weights, in evaluation mode, on the CPU.
        settings: of the export, for the lineage.
        home: the folder that the product will be in.
        batch_size: of the product's input; None: any.
    """

    checkpoint: Checkpoint
    spec: ModelSpec
    network: nn.Module
    settings: Json
    home: Path
    batch_size: int | None = None

    def lineage_in(self, folder: Path) -> Lineage:
        """The lineage of a file in ``folder``: the checkpoint's, whose weights and metrics the product has."""
        source = self.checkpoint
        known = source.lineage
        return known.then(
            "export",
            self.settings,
            model={**(known.model or {}), **self.spec.to_json()},
            parent=source.link(folder),
            dense=known.dense and source.moved(known.dense, folder),
            metrics=known.metrics,
            dense_metrics=known.dense_metrics,
        )


@dataclass(frozen=True)
class Product:
    """A product as another program opens it.

    Attributes:
        run: images [B, C, H, W] → logits [B, classes].
        tensors: its weights, by name.
        loading: how it is loaded, in Python.
    """

    run: Callable[[Tensor], Tensor]
    tensors: Mapping[str, Tensor]
    loading: str

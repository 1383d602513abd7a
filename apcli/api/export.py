"""Checkpoints' networks for other programs, and for one's own: ``apcli.export`` and ``apcli.load``."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from apcli.api import runs
from apcli.configs.export import ExportConfig
from apcli.configs.keywords import ExportKeywords, File, Files, with_keywords
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.values import config_of
from apcli.progress import Progress

if TYPE_CHECKING:
    from torch import nn


@with_keywords(ExportKeywords, ExportConfig)
def export(
    *checkpoints: Files, output: File | None = None, overwrite: bool = False, **keywords: Unpack[ExportKeywords]
) -> list[Path]:
    """Write checkpoints' networks for other programs, each in each of the formats; returns the products' paths.

    Args:
        checkpoints: paths, ``Checkpoint`` objects, or iterables of these.
        output: the product, or a folder; default: beside each checkpoint.

    Raises:
        UsageError: a value makes no sense, a format cannot hold the network, or another file is in the way.
        ApcliError: a package is missing, or the network cannot be written in a format.
        VerificationError: a product would compute other logits, or have fewer zeros.

    >>> apcli.export(pruned[1], format="torch-export")[0].name
    'fc5-digits.lowest-0.9.pt2'
    """
    from apcli.stages.export.places import Places

    config, sources = runs.begun(ExportConfig, keywords, checkpoints)
    places = Places(None if output is None else Path(output), overwrite, len(sources))
    return list(runs.export(config, sources, places, Progress()))


def load(
    checkpoint: File,
    *,
    model: str | None = None,
    num_classes: int | None = None,
    input_size: int | None = None,
    weights_key: str | None = None,
) -> "nn.Module":
    """Load a checkpoint's network, a compact one too: a ``torch.nn.Module`` on the CPU, in evaluation mode.

    Args:
        checkpoint: a path, or a ``Checkpoint``.
        model: for a file that does not record its network, and for one of your own: ``path/to/file.py:function``.
        num_classes: for a file that does not record its network; default: the outputs of its last layer.
        input_size: side in pixels, for networks whose tensors depend on it; default: the file's, else the library's.
        weights_key: which state dict of a PyTorch file; default: ``state_dict``, ``model``, ...

    Raises:
        UsageError: the network is unknown.
        ApcliError: the network cannot be built, or does not fit the file.
        VerificationError: the file has fewer zeros than its lineage promises.

    >>> network = apcli.load(pruned[1])
    >>> round((network.fc1.weight == 0).float().mean().item(), 3)
    0.9
    """
    from torch import device

    from apcli.checkpoints.reading import opened
    from apcli.checkpoints.verification import check_input
    from apcli.networks import Networks

    inputs = config_of(InputConfig, {"num_classes": num_classes, "input_size": input_size})
    networks = Networks(DataConfig(), model, device("cpu"), Progress(), inputs)
    (source,) = opened([checkpoint], weights_key)
    check_input(source)
    return networks.network(networks.spec(source), source).eval()

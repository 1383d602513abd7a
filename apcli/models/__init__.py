"""The networks of this package by name; torchvision's and timm's have their own tables (see ``sources``).

A row's function is called with ``num_classes`` and ``input_size`` (channels, height, width).
"""

from dataclasses import dataclass

from apcli.registry.tables import Row, Table

_RESNET = "He et al. 2016, Deep Residual Learning for Image Recognition (arXiv:1512.03385), section 4.2"
_FC = "Zhang et al. 2024, How Sparse Can We Prune a Deep Network (arXiv:2306.05857), the fully connected networks"


@dataclass(frozen=True)
class ModelRow(Row):
    """A network; ``channels`` is the number of its input's channels, None if it takes those of the data."""

    channels: int | None = None


def _resnet(depth: int, parameters: str) -> ModelRow:
    summary = f"CIFAR ResNet of {depth} layers, option-A shortcuts, {parameters} parameters"
    return ModelRow(f"resnet{depth}", f"apcli.models.resnet_cifar:resnet{depth}", summary, _RESNET, channels=3)


MODELS = Table(
    "model",
    (
        ModelRow(
            "fc5", "apcli.models.fully_connected:fc5", "fully connected, 5 layers, 3.9 M weights on CIFAR-10", _FC
        ),
        ModelRow(
            "fc12", "apcli.models.fully_connected:fc12", "fully connected, 12 layers, 7.3 M weights on CIFAR-10", _FC
        ),
        _resnet(20, "0.27 M"),
        _resnet(32, "0.46 M"),
        _resnet(44, "0.66 M"),
        _resnet(56, "0.85 M"),
        _resnet(110, "1.7 M"),
    ),
)

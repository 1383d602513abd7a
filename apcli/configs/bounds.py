"""Options of `bounds`."""

from dataclasses import dataclass

from apcli.configs.shared import DataConfig, InputConfig, check_images, check_seeds


@dataclass(frozen=True)
class BoundsConfig:
    """``apcli bounds``. ``layers`` None: the layers that were pruned according to the lineage, otherwise all.

    ``images`` are evenly spaced over the split; 0: all.
    """

    theory: str = "ap3"
    layers: str | None = None
    exclude: str | None = None
    weights_key: str | None = None
    data: DataConfig = DataConfig()
    model: str | None = None
    split: str = "test"
    images: int = 1024
    batch_size: int = 128
    device: str = "auto"
    seed: int = 0
    inputs: InputConfig = InputConfig()

    def __post_init__(self) -> None:
        check_images(self.split, self.images, self.batch_size)
        check_seeds((self.seed,))

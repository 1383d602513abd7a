"""Options of `behaviour`."""

from dataclasses import dataclass

from apcli.configs.shared import DataConfig, InputConfig, check_images, require, require_share


@dataclass(frozen=True)
class BehaviourConfig:
    """``apcli behaviour``. ``layers`` None: the layers that were pruned according to the lineage, otherwise all.

    ``images`` are evenly spaced over the split; 0: all. Temperatures are fitted on the share ``validation`` of them.
    ``shift`` is a list of ``SHIFTS``: the images are seen once more with each of these.
    ``feature_images`` of them, evenly spaced, are those that layers are compared on; 0: they are not.
    ``predictions`` is a folder for what the networks make of each image; None: that is not written.
    """

    layers: str | None = None
    exclude: str | None = None
    weights_key: str | None = None
    data: DataConfig = DataConfig()
    model: str | None = None
    split: str = "test"
    images: int = 0
    validation: float = 0.2
    shift: str | None = None
    feature_images: int = 1024
    batch_size: int = 512
    device: str = "auto"
    predictions: str | None = None
    overwrite: bool = False
    inputs: InputConfig = InputConfig()

    def __post_init__(self) -> None:
        check_images(self.split, self.images, self.batch_size)
        require_share("--validation", self.validation, "the share of the images that temperatures are fitted on")
        require(self.feature_images >= 0, "--feature-images", self.feature_images, "0 (none) or more")

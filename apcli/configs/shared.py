"""Options shared by several stages, and the checks of options' ranges."""

import math
from dataclasses import dataclass, fields, replace

from apcli.errors import UsageError

DEFAULT_DATA = "digits"


def require(fine: bool, option: str, given: object, expected: str) -> None:
    """Refuse an option's value unless it is ``fine``.

    Raises:
        UsageError: the value is out of range.
    """
    if not fine:
        raise UsageError(f"{option} is {given}: expected {expected}")


def require_share(option: str, share: float, what: str, *, whole: bool = False) -> None:
    """Refuse a share that is not in [0, 1), or in [0, 1] if it may be ``whole``.

    One that looks like percent is answered with its share.

    Raises:
        UsageError: the share is refused.
    """
    percent = f", as {share / 100:g} for {share:g} %" if 1 <= share < 100 else ""
    fine, ends = (share <= 1, "[0, 1]") if whole else (share < 1, "[0, 1)")
    require(share >= 0 and fine, option, f"{share:g}", f"{what}, in {ends}{percent}")


def check_images(split: str, images: int, batch_size: int) -> None:
    """Refuse images that a network cannot be run on: ``images`` of a split, 0 for all, so many at a time.

    Raises:
        UsageError: one of the three is out of range.
    """
    require(split in ("train", "test"), "--split", repr(split), "train or test")
    require(images >= 0, "--images", images, "0 (all) or more")
    require(batch_size >= 1, "--batch-size", batch_size, "at least 1")


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Refuse seeds that are out of range or given twice.

    Raises:
        UsageError: a seed is refused.
    """
    for seed in seeds:
        require(0 <= seed < 2**32, "--seed", seed, "a whole number in [0, 2^32)")
    require(len(set(seeds)) == len(seeds), "--seeds", ",".join(map(str, seeds)), "each seed once")


@dataclass(frozen=True)
class DataConfig:
    """The source of the images. ``name`` None: the data that the checkpoint was trained on, otherwise digits.

    ``cache``: whether decoded images are cached in memory. ``exif_orientation``: whether images of a folder are turned
    as their EXIF orientation says; None: as those that the checkpoint was trained on, otherwise not.
    """

    name: str | None = None
    data_dir: str = "data"
    download: bool = False
    workers: int = 2
    cache: str = "auto"
    exif_orientation: bool | None = None

    def __post_init__(self) -> None:
        require(self.workers >= 1, "--workers", self.workers, "at least 1")
        require(self.cache in ("auto", "memory", "none"), "--cache", repr(self.cache), "auto, memory or none")

    @property
    def options(self) -> list[str]:
        """The names of the options that are given, without the folder, which the environment may name too."""
        names = ("name", "download", "workers", "cache", "exif_orientation")
        given = [name for name in names if getattr(self, name) != getattr(DataConfig, name)]
        return ["--data" if name == "name" else f"--{name.replace('_', '-')}" for name in given]


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """A network's input and output. None: from its file, otherwise from its library, published weights or the data.

    ``input_size`` is the side in pixels; ``mean`` and ``std`` are per channel, for pixels in [0, 1].
    """

    num_classes: int | None = None
    input_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        require(self.num_classes is None or self.num_classes >= 1, "--num-classes", self.num_classes, "at least 1")
        require(self.input_size is None or self.input_size >= 1, "--input-size", self.input_size, "at least 1")
        numbers = "finite numbers, one for each channel"
        require(all(map(math.isfinite, self.mean or ())), "--mean", self.mean, numbers)
        require(all(math.isfinite(s) and s > 0 for s in self.std or ()), "--std", self.std, f"positive, {numbers}")

    def or_of(self, other: "InputConfig") -> "InputConfig":
        """These options and, where they say nothing, those of ``other``."""
        own = {field.name: getattr(self, field.name) for field in fields(InputConfig)}
        return replace(other, **{name: value for name, value in own.items() if value is not None})

    @property
    def options(self) -> list[str]:
        """The names of the options that are given."""
        given = {"--num-classes": self.num_classes, "--input-size": self.input_size}
        given |= {"--mean": self.mean, "--std": self.std}  # type: ignore[dict-item]
        return [option for option, value in given.items() if value is not None]

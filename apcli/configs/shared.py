"""What several stages can be told: the data, and checks that every option's range is written with."""

from dataclasses import dataclass
from typing import Any

from apcli.errors import UsageError

DEFAULT_DATA = "digits"


def require(fine: bool, option: str, given: Any, expected: str) -> None:
    """Refuse what is not fine, by the option's name.

    Raises:
        UsageError: it is not.
    """
    if not fine:
        raise UsageError(f"{option} is {given}: expected {expected}")


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Refuse seeds that are out of range or come twice.

    Raises:
        UsageError: one is.
    """
    for seed in seeds:
        require(0 <= seed < 2**32, "--seed", seed, "a whole number in [0, 2^32)")
    require(len(set(seeds)) == len(seeds), "--seeds", ",".join(map(str, seeds)), "each seed once")


@dataclass(frozen=True)
class DataConfig:
    """Where the images come from. ``name`` None: what the checkpoint was trained on, else digits.

    ``cache``: whether decoded image files are kept in memory.
    """

    name: str | None = None
    data_dir: str = "data"
    download: bool = False
    workers: int = 2
    cache: str = "auto"

    def __post_init__(self) -> None:
        require(self.workers >= 1, "--workers", self.workers, "at least 1")
        require(self.cache in ("auto", "memory", "none"), "--cache", repr(self.cache), "auto, memory or none")

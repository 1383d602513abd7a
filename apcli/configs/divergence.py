"""Options of `divergence`."""

from dataclasses import dataclass

from apcli.configs.shared import DataConfig, InputConfig, check_images, check_seeds, require
from apcli.registry.tables import split_list

FILTER, LAYER, NETWORK = LEVELS = ("filter", "layer", "network")  # what one record is about
_BOTH = "both"


@dataclass(frozen=True)
class DivergenceConfig:
    """``apcli divergence``. ``layers`` None: the layers that were pruned according to the lineage, otherwise all.

    ``groups`` is the default of the distributions that have this parameter. ``images`` 0: all of the split.
    """

    dist: str = "ap2,gaussian,student-t"
    measure: str = "kl"
    estimator: str = "exact"
    samples: int = 600_000
    repeats: int = 1
    seed: int = 0
    groups: int = 0
    level: str = "both"
    layers: str | None = None
    exclude: str | None = None
    weights_key: str | None = None
    data: DataConfig = DataConfig()
    model: str | None = None
    split: str = "test"
    images: int = 0
    batch_size: int = 512
    device: str = "auto"
    inputs: InputConfig = InputConfig()

    def __post_init__(self) -> None:
        require(self.samples >= 8, "--samples", self.samples, "at least 8, for a standard error")
        require(self.repeats >= 1, "--repeats", self.repeats, "at least 1")
        require(self.groups >= 0, "--groups", self.groups, "0 (none) or more")
        unknown = set(split_list(self.level, "level")) - {_BOTH, *LEVELS}
        require(not unknown, "--level", repr(self.level), "a list of filter, layer and network, or both")
        check_images(self.split, self.images, self.batch_size)
        check_seeds((self.seed,))

    @property
    def levels(self) -> frozenset[str]:
        """The members of ``LEVELS`` that ``level`` lists; ``both`` are the layers and the network."""
        named = split_list(self.level, "level")
        return frozenset(named) - {_BOTH} | (frozenset((LAYER, NETWORK)) if _BOTH in named else frozenset())

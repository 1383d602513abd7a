"""The properties of a data set's images that a network depends on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageSpec:
    """Images of ``shape`` (channels, height, width) in ``classes`` classes.

    ``mean`` and ``std`` are per channel, for pixels in [0, 1].
    """

    shape: tuple[int, int, int]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

"""What a network is told of a data set's images."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageSpec:
    """Images of ``shape`` (channels, height, width), told apart by ``classes`` numbers.

    ``mean`` and ``std`` are per channel, of pixels in [0, 1].
    """

    shape: tuple[int, int, int]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

"""The properties of a data set's images that a network depends on, and how they become its input."""

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


@dataclass(frozen=True)
class Scaling:
    """The shape and the scale of a network's input.

    Attributes:
        shape: channels, height and width that the network takes. Grey images are repeated to three channels; images of
            another size are resized, bilinearly and antialiased.
        mean: subtracted from images scaled to [0, 1], one number or one per channel of the network.
        std: divides the images after that; one number or one per channel.
    """

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

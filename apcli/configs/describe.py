"""Options of `report FILE`."""

from dataclasses import dataclass

from apcli.configs.shared import require


@dataclass(frozen=True)
class CostsConfig:
    """``apcli report FILE.safetensors``. ``macs`` None: if the network is known.

    ``input_size`` is (side,) or (channels, height, width); None: the lineage's, otherwise the library's. ``dense``,
    ``batch_size``, ``runs`` and ``device`` belong to ``latency``. ``latency_table`` is the file to write its layers to.
    """

    macs: bool | None = None
    model: str | None = None
    num_classes: int | None = None
    input_size: tuple[int, ...] | None = None
    latency: bool = False
    latency_table: str | None = None
    dense: str | None = None
    weights_key: str | None = None
    batch_size: int = 1
    warmup: int = 10
    runs: int = 50
    device: str = "auto"

    def __post_init__(self) -> None:
        size = self.input_size
        given = ",".join(map(str, size or ()))
        classes = self.num_classes
        require(classes is None or classes >= 1, "--num-classes", classes, "at least 1")
        fine = size is None or (len(size) in (1, 3) and min(size) >= 1)
        require(fine, "--input-size", given, "the side in pixels, or channels,height,width")
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
        require(self.warmup >= 0, "--warmup", self.warmup, "0 or more")
        require(self.runs >= 2, "--runs", self.runs, "at least 2, for quartiles")
        timing = ("dense",) if self.times else ("dense", "batch_size", "warmup", "runs", "device")
        for option in () if self.latency else timing:
            value = getattr(self, option)
            require(
                value == getattr(type(self), option), f"--{option.replace('_', '-')}", value, "to go with --latency"
            )
        for option in ("model", "num_classes", "input_size") if self.macs is False and not self.times else ():
            value = getattr(self, option)
            require(value is None, f"--{option.replace('_', '-')}", value, "to go with --macs or --latency")

    @property
    def times(self) -> bool:
        """Whether the network, or its layers, are timed."""
        return self.latency or self.latency_table is not None

    @property
    def wants_network(self) -> bool:
        """Whether the network is built if it is known."""
        return self.times or self.macs is not False

    @property
    def needs_network(self) -> bool:
        """Whether an unknown network is an error."""
        return bool(self.times or self.macs or self.model)

"""Options of `export`."""

from dataclasses import dataclass

from apcli.configs.shared import InputConfig, require


@dataclass(frozen=True)
class ExportConfig:
    """``apcli export``. ``format`` is a list. ``batch_size`` None: the product takes any number of images."""

    format: str | None = None
    batch_size: int | None = None
    model: str | None = None
    weights_key: str | None = None
    inputs: InputConfig = InputConfig()

    def __post_init__(self) -> None:
        require(self.batch_size is None or self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")

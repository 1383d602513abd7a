"""TensorBoard logs of a training's history."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apcli.errors import ApcliError


class Logs:
    """Writes each epoch's numbers below ``directory``/``label``; None writes nowhere.

    Args:
        epoch: the epoch that is over; what an earlier run logged of later ones is taken back.

    Raises:
        ApcliError: TensorBoard is not installed.
    """

    def __init__(self, directory: str | None, label: str, epoch: int = 0) -> None:
        self._writer: Any = None
        if directory is None:
            return
        try:
            writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        except ImportError:
            raise ApcliError("--log-dir needs TensorBoard, which is not installed: pip install tensorboard") from None
        self._writer = writer(str(Path(directory) / label), purge_step=epoch + 1)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Log an entry of the history: the rate, and what was measured of each split."""
        if self._writer is None:
            return
        epoch = entry["epoch"]
        for name, found in entry.items():
            numbers = found if isinstance(found, dict) else {"": found}
            for key, value in numbers.items() if name != "epoch" else ():
                if value is not None:
                    self._writer.add_scalar(f"{name}/{key}" if key else name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

"""TensorBoard logs of a training's history."""

import importlib
from pathlib import Path
from typing import Any

from apcli.checkpoints.promises import Json
from apcli.errors import ApcliError


class Logs:
    """Writes each epoch's numbers below ``directory``/``label``, or nothing if ``directory`` is None.

    Args:
        epoch: the last completed epoch; entries that an earlier run logged for later epochs are removed.

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

    def write(self, entry: Json) -> None:
        """Log an entry of the history: the learning rate and each split's metrics."""
        if self._writer is None:
            return
        epoch = entry["epoch"]
        for name, logged in entry.items():
            numbers = logged if isinstance(logged, dict) else {"": logged}
            for key, value in numbers.items() if name != "epoch" else ():
                if value is not None:
                    self._writer.add_scalar(f"{name}/{key}" if key else name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

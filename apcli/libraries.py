"""Import torchvision and timm only when they are needed, with a remedy if the import fails."""

import importlib
from types import ModuleType

from apcli.errors import ApcliError, first_line


def library(name: str) -> ModuleType:
    """Import the module ``name`` of torchvision or timm.

    Raises:
        ApcliError: the library is not installed, or was built for another version of torch.
    """
    try:
        importlib.import_module("torchvision")  # timm needs it too, and hides the reason if its import fails
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        reason = first_line(error)
        raise ApcliError(
            f"{name} cannot be imported ({reason}): the installed torch and torchvision do not belong together; "
            "install both from one package index, as in pip install --force-reinstall torch torchvision"
        ) from error

"""torchvision and timm, imported only by what needs them, with a remedy where they do not import."""

import importlib
from typing import Any

from apcli.errors import ApcliError


def library(name: str) -> Any:
    """The module ``name``, of torchvision or timm.

    Raises:
        ApcliError: it is not installed, or it was built for another torch than the installed one.
    """
    try:
        importlib.import_module("torchvision")  # timm needs it too, and hides the reason when it does not import
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ApcliError(
            f"{name} cannot be imported ({reason}): the installed torch and torchvision do not belong together; "
            "install both from one package index, as in pip install --force-reinstall torch torchvision"
        ) from error

"""Drop path: residual blocks that are left out of a step at random, in networks whose libraries build them so."""

from torch import nn

from apcli.errors import UsageError
from apcli.models.spec import ModelSpec

_OPTIONS = {"timm": "drop_path_rate", "torchvision": "stochastic_depth_prob"}
_MODULES = {"DropPath": "drop_prob", "StochasticDepth": "p"}  # timm's and torchvision's, with their probability


def option_of(spec: ModelSpec, drop_path: float | None) -> dict[str, float]:
    """The keyword of the library's constructor; empty for None, which leaves the library's own default.

    The probability grows with depth, from 0 to ``drop_path`` in the last block (Huang et al. 2016, arXiv:1603.09382).

    Raises:
        UsageError: the network is of no such library.
    """
    if drop_path is None:
        return {}
    if spec.source not in _OPTIONS:
        raise refusal(spec, drop_path)
    return {_OPTIONS[spec.source]: drop_path}


def drops(network: nn.Module) -> bool:
    """Whether any part of a network is left out at random."""
    return any(getattr(part, _MODULES.get(type(part).__name__, ""), 0) for part in network.modules())


def refusal(spec: ModelSpec, drop_path: float) -> UsageError:
    """The error for a network without drop path."""
    return UsageError(
        f"--drop-path {drop_path:g}: {spec.name} cannot leave out blocks: expected a residual network of timm, such as "
        "timm:resnet50, or of torchvision, such as convnext_tiny"
    )

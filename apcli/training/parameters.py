"""A network's parameters by name, and which of it learns."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def parameters_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by every name they have: tied weights stand under each of theirs, as in a state dict."""
    return dict(network.named_parameters(remove_duplicate=False))


def learn_(network: nn.Module, only: Sequence[str] | None) -> None:
    """Let all parameters learn, or those named."""
    network.requires_grad_(only is None)
    parameters = parameters_of(network)
    for name in only or ():
        parameters[name].requires_grad_(True)


def training_mode_(network: nn.Module, *, frozen: bool) -> None:
    """Training mode; in a frozen network the normalisation layers keep their statistics."""
    network.train()
    if frozen:
        for module in network.modules():
            if isinstance(module, _NormBase):
                module.eval()

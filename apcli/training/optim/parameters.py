"""A network's parameters by name, and the selection of those that learn."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from apcli.checkpoints.network_layers import EMBEDDING
from apcli.models.layer_weights import layer_weights
from apcli.probes.undisturbed import undisturbed


def parameters_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by all their names: tied weights appear under each of them, as in a state dict."""
    return dict(network.named_parameters(remove_duplicate=False))


def decaying(network: nn.Module) -> list[nn.Parameter]:
    """The layers' weights, to which weight decay applies; no norms, biases, gains, tokens or position tables.

    A parameter of any shape is exempt if no layer multiplies by it, or if the network lists its name in a method
    ``no_weight_decay``, as timm's networks do.
    """
    listed = getattr(network, "no_weight_decay", set)
    spared = set(listed()) if callable(listed) else set()
    parameters = parameters_of(network)
    weights = layer_weights(network).weights
    return [parameters[weight.tensor] for weight in weights if spared.isdisjoint(weight.names)]


def prunable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that ``apcli prune`` may remove, by name: no embeddings, and none whose zeros the weight loses."""
    parameters = parameters_of(network)
    weights = layer_weights(network).weights
    return {one.tensor: parameters[one.tensor] for one in weights if one.kind != EMBEDDING and not one.refused}


def learn_(network: nn.Module, only: Sequence[str] | None) -> None:
    """Let all parameters learn, or those named."""
    network.requires_grad_(only is None)
    parameters = parameters_of(network)
    for name in only or ():
        parameters[name].requires_grad_(True)


def training_mode_(network: nn.Module, *, frozen: bool) -> None:
    """Set training mode; in a frozen network the normalisation layers keep their statistics."""
    network.train()
    if frozen:
        for module in network.modules():
            if isinstance(module, _NormBase):
                module.eval()


def main_head(output: object) -> object:
    """The logits in a network's output: auxiliary heads come after the main one."""
    return output[0] if isinstance(output, tuple) else output


def learns_in_part(network: nn.Module, input_size: tuple[int, int, int]) -> bool:
    """Whether some learning parameters have no part in the logits: an unused layer's, or an auxiliary head's."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not learning:
        return False
    blank = torch.zeros(2, *input_size, device=learning[0].device, dtype=learning[0].dtype)
    with undisturbed(network), torch.enable_grad():
        logits = main_head(network(blank))
        if not isinstance(logits, Tensor) or not logits.requires_grad:
            return False
        gradients = torch.autograd.grad(logits.sum(), learning, allow_unused=True)
    return any(gradient is None for gradient in gradients)

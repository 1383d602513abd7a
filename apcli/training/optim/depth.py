"""The learning rate by depth: early layers, which are more general, change less."""

from typing import Any

from torch import nn

from apcli.libraries import library
from apcli.models.layer_weights import layer_weights


def scales_by_depth(network: nn.Module, decay: float) -> dict[int, float]:
    """Factors of the learning rate, by ``id`` of the learning parameter: 1 at the end, times ``decay`` each step back.

    A step is a block where timm knows the blocks of its network, otherwise a layer, in the order in which the network
    defines them; what stands between two layers (biases, norms) goes with the first. Sources: Howard & Ruder 2018,
    arXiv:1801.06146, section 3.2; Bao et al. 2022, arXiv:2106.08254, appendix.
    """
    if hasattr(network, "group_matcher"):
        groups: Any = library("timm.optim").param_groups_layer_decay(network, layer_decay=decay)
        return {id(parameter): group["lr_scale"] for group in groups for parameter in group["params"]}
    layers = {name for weight in layer_weights(network).weights for name in weight.names}
    depths, depth = {}, -1
    for name, parameter in network.named_parameters():
        depth += name in layers
        depths[id(parameter)] = max(depth, 0)
    return {parameter: decay ** (max(depth, 0) - own) for parameter, own in depths.items()}

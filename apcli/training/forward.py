"""A network's forward pass as everything here runs it: in the layout and the precision that suit the device."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from apcli.errors import ApcliError
from apcli.models.spec import ModelSpec
from apcli.training.optim.parameters import main_head

log = logging.getLogger("apcli")


class Forward:
    """Images [B, C, H, W] to logits [B, classes].

    Weights and images of convolutions lie channels-last, which their kernels are written for, unless the network's
    code cannot take that. With ``amp``, matrix products and convolutions are in bfloat16 where torch.autocast does so;
    weights, and all that evaluation does, stay in their own precision.

    Args:
        network: put into that layout, in place.
        through: runs the network: itself, compiled, or with its gradients shared among processes. Default: itself.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: ModelSpec,
        *,
        amp: bool = False,
        through: Callable[[nn.Module], Callable[[Tensor], object]] | None = None,
    ) -> None:
        self.network = network
        self.spec = spec
        self.device = next((p.device for p in network.parameters()), torch.device("cpu"))
        self.layout = _layout_(network, spec, self.device)
        self._amp = amp
        self._run = network if through is None else through(network)

    def __call__(self, images: Tensor) -> Tensor:
        """The logits of the network's main head.

        Raises:
            ApcliError: the output is no such thing.
        """
        images = images.contiguous(memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._amp, cache_enabled=False):
            output = self._run(images)
        logits = main_head(output)
        expected = (len(images), self.spec.num_classes)
        if not isinstance(logits, Tensor) or logits.shape != expected:
            found = tuple(getattr(logits, "shape", ())) or type(logits).__name__
            raise ApcliError(f"{self.spec.name} gives an output of shape {found}: expected logits, {expected}")
        return logits


def warn_of_emulation(amp: bool | None, device: torch.device) -> None:
    """Say so where ``--amp`` is asked for and the device has no arithmetic for it."""
    if amp and not has_bfloat16(device):
        log.warning("--amp: this processor has no bfloat16 arithmetic and emulates it, which is slower than float32")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself, so that ``--amp`` gains something."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probes = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(probe() for probe in probes if probe is not None)


def _layout_(network: nn.Module, spec: ModelSpec, device: torch.device) -> torch.memory_format:
    """Lay convolutions' weights out channels-last, unless the network's own code then fails on such images."""
    kernels = [p for p in network.parameters() if p.dim() == 4]
    if not kernels:
        return torch.contiguous_format
    if all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels):
        return torch.channels_last  # done before, or one pixel or channel each: both layouts are one
    network.to(memory_format=torch.channels_last)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            blank = torch.zeros(2, *spec.input_size, device=device, dtype=kernels[0].dtype)
            network(blank.contiguous(memory_format=torch.channels_last))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if "view" not in str(error):
            raise
        log.info("%s reshapes with view(), which takes channels-first images only: it trains slower", spec.name)
        network.to(memory_format=torch.contiguous_format)
        return torch.contiguous_format
    finally:
        for module, training in modes:
            module.training = training
    return torch.channels_last

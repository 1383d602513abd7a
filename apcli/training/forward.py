"""A network's forward pass, in the memory layout and the precision that suit the device."""

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

    Weights and images of convolutions are stored channels-last, the layout of their fastest kernels, unless the
    network's code cannot handle it. With ``amp``, torch.autocast runs matrix products and convolutions in bfloat16;
    the weights, and evaluation, keep their own precision.

    Args:
        network: converted to that layout in place.
        through: wraps the network, e.g. compiled or with its gradients shared among processes. Default: no wrapper.
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
            ApcliError: the output has another type or shape.
        """
        images = images.contiguous(memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._amp, cache_enabled=False):
            output = self._run(images)
        logits = main_head(output)
        expected = (len(images), self.spec.num_classes)
        if not isinstance(logits, Tensor) or logits.shape != expected:
            actual = tuple(getattr(logits, "shape", ())) or type(logits).__name__
            raise ApcliError(f"{self.spec.name} returns an output of shape {actual}: expected logits, {expected}")
        return logits


def warn_of_emulation(amp: bool | None, device: torch.device) -> None:
    """Warn if ``--amp`` is given on a device without bfloat16 arithmetic."""
    if amp and not has_bfloat16(device):
        log.warning("--amp: this processor has no bfloat16 arithmetic and emulates it, which is slower than float32")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has bfloat16 arithmetic, so that ``--amp`` is faster."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probes = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(probe() for probe in probes if probe is not None)


def _layout_(network: nn.Module, spec: ModelSpec, device: torch.device) -> torch.memory_format:
    """Store convolutions' weights channels-last, unless the network's own code fails on such images."""
    kernels = [p for p in network.parameters() if p.dim() == 4]
    if not kernels:
        return torch.contiguous_format
    if all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels):
        return torch.channels_last  # done already, or one pixel or channel each: both layouts coincide
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
        log.info("%s reshapes with view(), which needs channels-first images: it trains slower", spec.name)
        network.to(memory_format=torch.contiguous_format)
        return torch.contiguous_format
    finally:
        for module, training in modes:
            module.training = training
    return torch.channels_last

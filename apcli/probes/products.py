"""Products of vectors with the curvature of a network's mean loss: its Hessian, or its Gauss-Newton matrix."""

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad, jvp
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from apcli.errors import ApcliError
from apcli.probes.curvature import (
    EitherWay,
    Weights,
    derivative_backwards,
    derivative_forwards,
    logits_at,
    weights_of,
)
from apcli.probes.undisturbed import Batches, undisturbed

Loss = Callable[[Tensor, Tensor], Tensor]  # logits [B, C] and labels [B] to the sum of B losses
_Batch = tuple[Tensor, Tensor]
_SLOWLY = "by two backward passes"


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum over images, in nats."""
    return F.cross_entropy(logits, labels, reduction="sum")


class Curvature:
    """A symmetric matrix over the elements of some tensors, known by its products; SciPy takes it as linear operator.

    Vectors are float64 [size], the tensors' elements one after another. Products run in the network's own precision and
    are summed over batches in float64. The matrix is never formed, and the network left as it is; it and the data must
    not change between products.
    """

    dtype = np.dtype(np.float64)

    def __init__(
        self, model: nn.Module, tensors: Sequence[str], batches: Batches, loss: Loss, product: Callable[..., Weights]
    ) -> None:
        self.model, self.batches, self.loss = model, batches, loss
        self.weights = weights_of(model, tensors)
        self.size = sum(weight.numel() for weight in self.weights.values())
        self.shape = (self.size, self.size)
        self._product = product

    def matvec(self, vector: np.ndarray) -> np.ndarray:
        """The matrix times a vector [size] or [size, 1], in the same shape.

        Raises:
            ApcliError: the network's logits or their derivatives are NaN or Inf.
        """
        largest = float(np.max(np.abs(vector), initial=0.0))
        if largest == 0:
            return np.zeros_like(vector, np.float64)
        parts = self.split(vector / largest)  # for float32
        total = self._summed(
            self._product, {name: torch.as_tensor(part).to(self.weights[name]) for name, part in parts.items()}
        )
        return largest * total.reshape(np.shape(vector))

    def gradient(self) -> np.ndarray:
        """The gradient of the mean loss, float64 [size]."""
        return self._summed(_gradient)

    def flat(self, tensors: Mapping[str, Any]) -> np.ndarray:
        """A vector of arrays or tensors of these names, on any device, float64 [size]."""
        parts = [torch.as_tensor(tensors[name]).detach().to("cpu", torch.float64) for name in self.weights]
        return torch.cat([part.flatten() for part in parts]).numpy()

    def split(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The parts of a vector, in the tensors' shapes."""
        ends = np.cumsum([weight.numel() for weight in self.weights.values()])
        parts = np.split(np.ravel(vector), ends[:-1])
        return {name: part.reshape(w.shape) for (name, w), part in zip(self.weights.items(), parts, strict=True)}

    def _summed(self, term: Callable[..., Weights], *more: Any) -> np.ndarray:
        """The mean over images of what ``term`` sums over a batch."""
        total = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in self.weights.items()}
        count = 0
        with undisturbed(self.model):
            for images, labels in self.batches():
                for name, part in term(self.model, self.weights, self.loss, (images, labels), *more).items():
                    total[name] += part
                count += len(images)
        found = self.flat(total) / count
        if not np.isfinite(found).all():
            raise ApcliError("the network's logits or their derivatives are NaN or Inf: expected finite ones")
        return found


def hessian(model: nn.Module, tensors: Sequence[str], batches: Batches, loss: Loss = cross_entropy) -> Curvature:
    """The Hessian of the mean loss, block between these tensors. Kinks, of ReLU or of a maximum, do not count.

    Each product differentiates the gradient along the vector, forwards where the network's operations allow that.

    Source: Pearlmutter 1994, doi:10.1162/neco.1994.6.1.147.
    """
    return Curvature(model, tensors, batches, loss, EitherWay(_hessian_forwards, _hessian_backwards, _SLOWLY))


def gauss_newton(model: nn.Module, tensors: Sequence[str], batches: Batches, loss: Loss = cross_entropy) -> Curvature:
    """E[J' B J], with J the Jacobian of the logits and B the loss's Hessian over them: positive semi-definite if B is.

    For cross-entropy B is diag p - p p', of the predictions p.

    Source: Schraudolph 2002, doi:10.1162/08997660260028683.
    """
    return Curvature(model, tensors, batches, loss, EitherWay(_newton_forwards, _newton_backwards, _SLOWLY))


def _laid_out(batch: _Batch) -> _Batch:
    """Images with the channels last, which the CPU's convolutions go through faster."""
    images, labels = batch
    if images.dim() == 4 and images.device.type == "cpu":
        images = images.contiguous(memory_format=torch.channels_last)
    return images, labels


class _NormsAsScales(TorchFunctionMode):
    """Batch norms with fixed statistics as a multiplication and an addition, whose derivatives take less time."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is F.batch_norm:
            given = inspect.signature(F.batch_norm).bind(*args, **kwargs or {})
            given.apply_defaults()
            if not given.arguments["training"]:
                return _scaled(given.arguments)
        return function(*args, **kwargs or {})


def _scaled(norm: Mapping[str, Any]) -> Tensor:
    scale = (norm["running_var"] + norm["eps"]).rsqrt()
    scale = scale if norm["weight"] is None else scale * norm["weight"]
    shift = -norm["running_mean"] * scale
    shift = shift if norm["bias"] is None else shift + norm["bias"]
    shape = (1, -1) + (1,) * (norm["input"].dim() - 2)
    return torch.addcmul(shift.view(shape), norm["input"], scale.view(shape))


def _hessian_forwards(model: nn.Module, weights: Weights, loss: Loss, batch: _Batch, change: Weights) -> Weights:
    """The derivative of the gradient along a change of the weights."""
    images, labels = _laid_out(batch)
    with torch.no_grad(), warnings.catch_warnings(), _NormsAsScales():
        warnings.filterwarnings("ignore", message="`torch.jit")  # torch itself uses what it deprecates
        gradient = grad(lambda chosen: loss(logits_at(model, chosen, images), labels))
        along: Weights = jvp(gradient, (weights,), (change,))[1]
    return along


def _hessian_backwards(model: nn.Module, weights: Weights, loss: Loss, batch: _Batch, change: Weights) -> Weights:
    """The result of ``_hessian_forwards`` as the gradient of the gradient's product with the change."""
    images, labels = batch
    chosen = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    with torch.enable_grad():
        value = loss(logits_at(model, chosen, images), labels)
        gradients = torch.autograd.grad(value, tuple(chosen.values()), create_graph=True, materialize_grads=True)
        along = torch.stack([(g * d).sum() for g, d in zip(gradients, change.values(), strict=True)]).sum()
    if not along.requires_grad:  # the gradient is the same everywhere
        return {name: torch.zeros_like(weight) for name, weight in weights.items()}
    found = torch.autograd.grad(along, tuple(chosen.values()), materialize_grads=True)
    return dict(zip(chosen, found, strict=True))


def _newton_forwards(model: nn.Module, weights: Weights, loss: Loss, batch: _Batch, change: Weights) -> Weights:
    """J' B J times a change of the weights."""
    images, labels = _laid_out(batch)
    with _NormsAsScales():
        bent = _bent(loss, labels, *derivative_forwards(model, weights, change, images))
        return _pulled(model, weights, images, lambda z: (z * bent).sum())


def _newton_backwards(model: nn.Module, weights: Weights, loss: Loss, batch: _Batch, change: Weights) -> Weights:
    """The result of ``_newton_forwards``, where an operation has no forward derivative or needs its usual layout."""
    images, labels = batch
    bent = _bent(loss, labels, *derivative_backwards(model, weights, change, images))
    return _pulled(model, weights, images, lambda z: (z * bent).sum())


def _bent(loss: Loss, labels: Tensor, logits: Tensor, moved: Tensor) -> Tensor:
    """The loss's Hessian over the logits, times their change; in float64."""

    def slope(z: Tensor) -> Tensor:
        return grad(lambda inner: loss(inner, labels))(z)

    with torch.no_grad():
        bent: Tensor = jvp(slope, (logits.double(),), (moved.double(),))[1]
    return bent.to(logits)


def _gradient(model: nn.Module, weights: Weights, loss: Loss, batch: _Batch) -> Weights:
    images, labels = batch
    return _pulled(model, weights, images, lambda logits: loss(logits, labels))


def _pulled(model: nn.Module, weights: Weights, images: Tensor, scalar: Callable[[Tensor], Tensor]) -> Weights:
    """The gradient of a scalar of the logits."""
    chosen = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    with torch.enable_grad():
        value = scalar(logits_at(model, chosen, images))
    found = torch.autograd.grad(value, tuple(chosen.values()), materialize_grads=True)
    return dict(zip(chosen, found, strict=True))

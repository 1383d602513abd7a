"""Metrics of the change in the dense network's predictions, to second order in a change of its weights."""

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp, vmap

from apcli.errors import ApcliError
from apcli.probes.undisturbed import Batches, logits_of, undisturbed

log = logging.getLogger("apcli")

_BLOCK = 1 << 25  # elements of the gradients held at a time: 128 MiB in float32
Weights = dict[str, Tensor]
Result = TypeVar("Result")


class EitherWay(Generic[Result]):
    """A fast way to derivatives, and from the first network's operation that it does not support, a slow one.

    The log names the slow one by ``named``. An error of the network itself comes again there.
    """

    def __init__(self, fast: Callable[..., Result], slow: Callable[..., Result], named: str) -> None:
        self._way, self._slow, self._named = fast, slow, named

    def __call__(self, *arguments: Any) -> Result:
        try:
            return self._way(*arguments)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if self._way is self._slow:
                raise
            log.info("derivatives %s: %s", self._named, str(error).strip().partition("\n")[0])
        self._way = self._slow  # and here the error's traceback no longer holds tensors in memory
        return self._way(*arguments)


class Fisher:
    """A diagonal precision F + damping I; ``diagonal`` holds F by tensor name, float64, in the weights' shapes."""

    def __init__(self, diagonal: Mapping[str, np.ndarray], damping: float) -> None:
        self.diagonal = diagonal
        self.damping = damping

    def squared(self, difference: Mapping[str, np.ndarray]) -> float:
        """sum (F + damping) D^2."""
        return sum(float(np.sum((self.diagonal[name] + self.damping) * d**2)) for name, d in difference.items())


class GaussNewton:
    """The precision E[J' (diag p - p p') J] + damping I, with J the Jacobian of the logits and p the predictions.

    The matrix is never formed: each squared length takes one pass over the data.
    """

    def __init__(self, model: nn.Module, tensors: Sequence[str], batches: Batches, damping: float) -> None:
        self.model = model
        self.weights = weights_of(model, tensors)
        self.batches = batches
        self.damping = damping
        self._derivative = EitherWay(derivative_forwards, derivative_backwards, "by two backward passes")

    def squared(self, difference: Mapping[str, np.ndarray]) -> float:
        """E[variance under p of the logits' change J D] + damping |D|^2.

        Raises:
            ApcliError: the network's logits or their derivatives are NaN or Inf.
        """
        largest = max((float(np.max(np.abs(d), initial=0.0)) for d in difference.values()), default=0.0)
        if largest == 0:
            return 0.0
        total, count = 0.0, 0
        with undisturbed(self.model):
            weights = {name: self.weights[name] for name in difference}
            change = {
                name: torch.as_tensor(d / largest).to(weights[name]) for name, d in difference.items()
            }  # for float32
            for images, _ in self.batches():
                logits, moved = self._derivative(self.model, weights, change, images)
                p, moved = logits.double().softmax(1), moved.double()
                centred = moved - (p * moved).sum(1, keepdim=True)
                total += float((p * centred.square()).sum())
                count += len(images)
        if not math.isfinite(total):
            raise ApcliError("the network's logits or their derivatives are NaN or Inf: expected finite ones")
        length = sum(float(np.sum((d / largest) ** 2)) for d in difference.values())
        return largest**2 * (total / count + self.damping * length)


def fisher(model: nn.Module, tensors: Sequence[str], batches: Batches, *, labels: str, damping: float) -> Fisher:
    """The diagonal of the network's Fisher information, averaged over the data.

    Args:
        tensors: names of weights.
        labels: ``model``: E_x sum_c p_c (d log p_c / dw)^2, the expectation over the network's own labels, exactly;
            it is the diagonal of the Gauss-Newton matrix. ``data``: E (d log p_y / dw)^2 with the data's labels, the
            empirical Fisher information, which is 0 where the network fits its data.
        damping: added to every element.

    Raises:
        ValueError: ``labels`` or ``damping`` has another value.
        ApcliError: a derivative is NaN or Inf.

    Source: Amari 1998, doi:10.1162/089976698300017746; the equality of the two matrices: Martens 2020,
    arXiv:1412.1193, section 9. The sum over classes is that of the squares of J' v_c with v_c = sqrt(p_c) (e_c - p),
    since diag p - p p' = sum_c v_c v_c'.
    """
    _check_damping(damping)
    if labels not in ("model", "data"):
        raise ValueError(f"labels is {labels!r}: expected model (expectation over its own labels) or data")
    with undisturbed(model):
        weights = weights_of(model, tensors)
        sums = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in weights.items()}
        squares, count = EitherWay(_together, _one_by_one, "sample by sample"), 0
        for images, targets in batches():
            vectors = _vectors(model, images, None if labels == "model" else targets)
            step = max(1, _BLOCK // (min(vectors.shape[1], _vectors_at_once(weights)) * _size(weights)))
            for part in zip(images.split(step), vectors.split(step), strict=True):
                for name, square in squares(model, weights, *part).items():
                    sums[name] += square
            count += len(images)
    if not all(bool(total.isfinite().all()) for total in sums.values()):
        raise ApcliError("a derivative of the network's predictions is NaN or Inf: expected finite ones")
    return Fisher({name: (total / count).cpu().numpy() for name, total in sums.items()}, damping)


def gauss_newton(model: nn.Module, tensors: Sequence[str], batches: Batches, *, damping: float) -> GaussNewton:
    """The metric for which a Gaussian KL is the second-order change of the predictions, E KL(p_w || p_{w - D}).

    It is also the curvature's part, without the gradient's, of the change in the cross-entropy loss. The layers of one
    difference move together, so their cross terms count. The model and the data are kept for later and must not change.

    Raises:
        ValueError: ``damping`` is negative or not finite.

    Source: Schraudolph 2002, doi:10.1162/08997660260028683; Martens 2020, arXiv:1412.1193, section 8.
    """
    _check_damping(damping)
    return GaussNewton(model, tensors, batches, damping)


def _vectors(model: nn.Module, images: Tensor, targets: Tensor | None) -> Tensor:
    """The vectors v of every sample whose (J' v)^2 sum to its Fisher information: [B, V, C], V classes or 1."""
    with torch.no_grad():
        logits = logits_of(model(images))
    p = logits.double().softmax(1)
    classes = torch.eye(p.shape[1], dtype=p.dtype, device=p.device)
    if targets is not None:
        return (classes[targets] - p).unsqueeze(1).to(logits.dtype)
    return (p.sqrt().unsqueeze(2) * (classes - p.unsqueeze(1))).to(logits.dtype)


def _together(model: nn.Module, weights: Weights, images: Tensor, vectors: Tensor) -> Weights:
    """Sum (J' v)^2 over samples and vectors, in float64: all samples, and as many vectors as fit, at once."""

    def of_one(image: Tensor, rows: Tensor) -> Weights:
        pull = vjp(lambda chosen: logits_at(model, chosen, image[None])[0], weights)[1]
        total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for some in rows.split(_vectors_at_once(weights)):
            (gradients,) = vmap(pull)(some)
            total = {name: before + gradients[name].square().sum(0) for name, before in total.items()}
        return total

    with torch.no_grad():  # no graph beyond these derivatives
        squared = vmap(of_one)(images, vectors)
    return {name: squares.sum(0, dtype=torch.float64) for name, squares in squared.items()}


def _one_by_one(model: nn.Module, weights: Weights, images: Tensor, vectors: Tensor) -> Weights:
    """The result of ``_together`` for networks that change tensors in place or branch on their data."""
    total = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in weights.items()}
    chosen = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    for image, rows in zip(images, vectors, strict=True):
        with torch.enable_grad():
            logits = logits_at(model, chosen, image[None])[0]
        for row in rows:
            gradients = torch.autograd.grad(
                logits, tuple(chosen.values()), row, retain_graph=True, materialize_grads=True
            )
            for name, gradient in zip(chosen, gradients, strict=True):
                total[name] += gradient.square()
    return total


def derivative_forwards(model: nn.Module, weights: Weights, change: Weights, images: Tensor) -> tuple[Tensor, Tensor]:
    """The logits [B, C] and their derivative along a change of the weights."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit")  # torch itself uses what it deprecates
        pushed = jvp(lambda chosen: logits_at(model, chosen, images), (weights,), (change,))
    return pushed[0], pushed[1]


def derivative_backwards(model: nn.Module, weights: Weights, change: Weights, images: Tensor) -> tuple[Tensor, Tensor]:
    """The result of ``derivative_forwards`` by two backward passes: J D is the derivative of (J' u)' D to u."""
    chosen = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    with torch.enable_grad():
        logits = logits_at(model, chosen, images)
        u = torch.zeros_like(logits, requires_grad=True)
        pulled = torch.autograd.grad(logits, tuple(chosen.values()), u, create_graph=True, materialize_grads=True)
        along = torch.stack(
            [(u * 0).sum(), *((g * d).sum() for g, d in zip(pulled, change.values(), strict=True))]
        ).sum()
    return logits.detach(), torch.autograd.grad(along, u, materialize_grads=True)[0]


def logits_at(model: nn.Module, weights: Weights, images: Tensor) -> Tensor:
    """The logits [B, C] of the network with some weights replaced."""
    return logits_of(functional_call(model, weights, (images,)))


def weights_of(model: nn.Module, tensors: Sequence[str]) -> Weights:
    """The network's tensors of these names, without their graph."""
    known: Weights = dict(model.named_parameters(remove_duplicate=False))
    known.update(model.named_buffers(remove_duplicate=False))
    return {name: known[name].detach() for name in tensors}


def _size(weights: Weights) -> int:
    return sum(weight.numel() for weight in weights.values())


def _vectors_at_once(weights: Weights) -> int:
    return max(1, _BLOCK // _size(weights))


def _check_damping(damping: float) -> None:
    if not 0 <= damping < math.inf:
        raise ValueError(f"damping is {damping:g}: expected a finite number, 0 or above")

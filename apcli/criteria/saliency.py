"""Criteria from derivatives of the loss (taylor, snip, grasp) and of a flow without data (synflow)."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from apcli.checkpoints.layers import layer_name
from apcli.criteria.subject import Scores, Subject
from apcli.errors import ApcliError, UsageError
from apcli.models.copies import copy_of
from apcli.probes.curvature import Weights
from apcli.probes.undisturbed import logits_of, undisturbed
from apcli.words import few

log = logging.getLogger("apcli")

# A term to sum over batches, from the sum of a batch's losses, the weights, and the number of images.
Term = Callable[[Tensor, Weights, int], Iterable[Tensor]]


def taylor(subject: Subject) -> Scores:
    """Score (w g_b)^2, averaged over batches b; g_b is the gradient of the batch's mean cross-entropy.

    To first order, this is the squared change of the loss when one weight becomes zero. It depends on the division of
    images into batches: the gradients of single images cancel within a batch, but not between batches.

    Returns:
        float64 scores in the weights' shapes.

    Raises:
        UsageError: a tensor is no parameter of the network.
        ApcliError: a score is NaN or Inf.

    Source: Molchanov et al. 2019, arXiv:1906.10771, equation (8).
    """

    def squares(loss: Tensor, weights: Weights, images: int) -> Iterable[Tensor]:
        pairs = zip(weights.values(), _gradients(loss, weights), strict=True)
        return [(w.detach().double() * g / images).square() for w, g in pairs]

    subject = in_full_precision(subject)
    total, _, batches = _summed(subject, squares)
    return scores_of("taylor", subject, {name: square / batches for name, square in total.items()})


def snip(subject: Subject) -> Scores:
    """Score |w g|, with g the gradient of the mean cross-entropy of all images.

    This is the loss's sensitivity to a factor on the weight. The paper divides by the sum of all scores, which does not
    change the ranking.

    Returns:
        float64 scores of the weights' shapes.

    Raises:
        UsageError: a tensor is no parameter of the network.
        ApcliError: a score is NaN or Inf.

    Source: Lee et al. 2019, arXiv:1810.02340, equation (6).
    """
    subject = in_full_precision(subject)
    total, images, _ = _summed(subject, _gradient_of_batch)
    return scores_of("snip", subject, {n: (_double(subject, n) * g / images).abs() for n, g in total.items()})


def grasp(subject: Subject, *, temperature: float) -> Scores:
    """Score w (H g), with g the gradient and H the Hessian of all images' mean cross-entropy over the weights in scope.

    The paper scores -w (H g), to first order half the change of |g|^2 when the weight becomes zero, and removes the
    weights where it is largest (as does its code). Here the sign is reversed, larger = keep, and scores of either sign
    are usual. H is never formed: g takes one pass over the data, H g a second one with two backward passes per batch.
    The network is in evaluation mode, whereas the paper's code uses training mode.

    Args:
        temperature: above 0; the logits are divided by it.

    Returns:
        float64 scores of the weights' shapes.

    Raises:
        UsageError: a tensor is no parameter of the network.
        ApcliError: a score is NaN or Inf.

    Source: Wang et al. 2020, arXiv:2002.07376, equation (8) and algorithm 1.
    """
    subject = in_full_precision(subject)
    gradient, images, _ = _summed(subject, _gradient_of_batch, temperature)

    def product(loss: Tensor, weights: Weights, _: int) -> Iterable[Tensor]:
        pairs = zip(_gradients(loss, weights, create_graph=True), gradient.values(), strict=True)
        return _gradients(torch.stack([(own * (g / images).to(own)).sum() for own, g in pairs]).sum(), weights)

    total, _, _ = _summed(subject, product, temperature)
    return scores_of("grasp", subject, {n: _double(subject, n) * hg / images for n, hg in total.items()})


def synflow(subject: Subject, *, iterations: int) -> Scores:
    """Score |w| dR/d|w|, with R the sum of the outputs for an image of ones and all weights at their absolute values.

    The other parameters and the buffers are absolute values too, in evaluation mode, as in the paper's code. Everything
    is float64, which deep networks need. Each round scores the network under the current masks and, except for the
    last, ends with masks one step closer to the target sparsity. Weights removed in earlier rounds score -inf, so they
    stay removed.

    In a ReLU network without biases and batch norms, the scores of each layer that all paths cross add up to R, so with
    enough rounds no such layer is emptied. A shortcut may be, and activations that saturate (ReLU6, gates) stop the
    flow. Layers without any flow are named in a warning.

    Args:
        iterations: number of rounds, 1 or more.

    Returns:
        float64 scores in the weights' shapes, from the last round.

    Raises:
        UsageError: a tensor is no parameter of the network.
        ApcliError: R or a score is not finite, or nothing flows through the weights.

    Source: Tanaka et al. 2020, arXiv:2006.05467, algorithm 1.
    """
    model, names = subject.model, parameters_of(subject)
    state = {
        name: tensor.detach().double().abs()
        for name, tensor in chain(model.named_parameters(), model.named_buffers())
        if tensor.is_floating_point()
    }
    kept = {name: torch.ones_like(state[name], dtype=torch.bool) for name in names.values()}
    image = next(iter(subject.batches()))[0][:1]
    ones = torch.ones_like(image, dtype=torch.float64)
    scores: Scores = {}
    for done in range(iterations):
        if done:
            for tensor, mask in subject.choose(scores, done / iterations).items():
                kept[names[tensor]] &= torch.tensor(mask, device=image.device)
            state |= {name: state[name] * mask for name, mask in kept.items()}
        flow = _flow(model, state, list(kept), ones, done)
        scores = scores_of("synflow", subject, flow)
        for tensor, name in names.items():
            scores[tensor][~kept[name].cpu().numpy()] = -np.inf
    dry = [layer_name(tensor) for tensor, score in scores.items() if not (score > 0).any()]
    if dry:
        log.warning("synflow: nothing flows through %d of %d layers: %s", len(dry), len(scores), few(dry))
    return scores


def parameters_of(subject: Subject) -> dict[str, str]:
    """The parameter's name for each tensor in scope: the first name of a shared parameter.

    Raises:
        UsageError: a tensor is no parameter of the network.
    """
    first = {parameter: name for name, parameter in subject.model.named_parameters()}
    known = dict(subject.model.named_parameters(remove_duplicate=False))
    wrong = [name for name in subject.tensors if name not in known]
    if wrong:
        buffers = dict(subject.model.named_buffers(remove_duplicate=False))
        kind = "a buffer, not a parameter" if wrong[0] in buffers else "no parameter"
        layers = ",".join(map(layer_name, wrong))
        raise UsageError(f"tensor {wrong[0]} is {kind} of the network: expected weights; give --exclude {layers}")
    return {name: first[known[name]] for name in subject.tensors}


def in_full_precision(subject: Subject) -> Subject:
    """The subject, or a float32 copy of one in half precision, where gradients and their squares underflow."""
    if not any(parameter.dtype.itemsize < 4 for parameter in subject.model.parameters()):
        return subject

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        return ((images.float(), labels) for images, labels in subject.batches())

    return replace(subject, model=copy_of(subject.model).float(), batches=batches)


def scores_of(method: str, subject: Subject, by_parameter: Mapping[str, Tensor]) -> Scores:
    """Scores by tensor on the CPU, from scores by parameter.

    Raises:
        ApcliError: a score is NaN or Inf.
    """
    scores = {tensor: by_parameter[name].cpu().numpy() for tensor, name in parameters_of(subject).items()}
    for tensor, score in scores.items():
        if not np.isfinite(score).all():
            raise ApcliError(
                f"layer {layer_name(tensor)}: a score of {method} is NaN or Inf: expected a network whose outputs and "
                "their derivatives are finite; train it further, or use a method that does not run it, such as lowest"
            )
    return scores


def _summed(subject: Subject, term: Term, temperature: float = 1.0) -> tuple[Weights, int, int]:
    """Sum ``term`` over batches, in float64 by parameter; also return the numbers of images and of batches."""
    model = subject.model
    state = {name: parameter.detach() for name, parameter in model.named_parameters()}
    weights = {name: state[name].requires_grad_() for name in parameters_of(subject).values()}
    sums = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in weights.items()}
    count = batches = 0
    with undisturbed(model):
        for images, labels in subject.batches():
            with torch.enable_grad():
                logits = logits_of(functional_call(model, state, (images,)))
                loss = F.cross_entropy(logits.double() / temperature, labels, reduction="sum")
                parts = term(loss, weights, len(images))
            for total, part in zip(sums.values(), parts, strict=True):
                total.add_(part)
            count += len(images)
            batches += 1
    return sums, count, batches


def _gradient_of_batch(loss: Tensor, weights: Weights, _: int) -> Iterable[Tensor]:
    return _gradients(loss, weights)


def _gradients(of: Tensor, weights: Weights, create_graph: bool = False) -> Iterable[Tensor]:
    """The derivatives of a number with respect to the weights; 0 for weights without influence."""
    if not of.requires_grad:
        return [torch.zeros_like(weight) for weight in weights.values()]
    return torch.autograd.grad(of, tuple(weights.values()), create_graph=create_graph, materialize_grads=True)


def _flow(model: nn.Module, state: Weights, names: list[str], ones: Tensor, done: int) -> Weights:
    """|w dR/dw| for the parameters ``names`` of the network with parameters and buffers ``state``."""
    weights = {name: state[name].detach().requires_grad_() for name in names}
    with undisturbed(model), torch.enable_grad():
        total = logits_of(functional_call(model, {**state, **weights}, (ones,))).sum()
    gradients = _gradients(total, weights)
    flow = {n: (w.detach() * g).abs() for (n, w), g in zip(weights.items(), gradients, strict=True)}
    value = float(total.detach())
    if not math.isfinite(value):
        raise ApcliError(
            f"synflow: the flow through the network is {value}: expected a number in float64's range; the network is "
            "too deep or its weights too large: use another method, such as lamp"
        )
    if value == 0 or not any(bool(f.any()) for f in flow.values()):
        remedy = "lower --sparsity, or give --scope global" if done else "use another method, such as lowest"
        raise ApcliError(
            f"synflow: nothing flows through the layers after {done} rounds: expected paths from the inputs to the "
            f"outputs over weights that are not zero and activations that do not saturate: {remedy}"
        )
    return flow


def _double(subject: Subject, name: str) -> Tensor:
    return subject.model.get_parameter(name).detach().double()

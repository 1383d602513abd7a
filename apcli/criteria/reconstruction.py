"""Criteria that change the kept weights to compensate for the removed ones."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from apcli.checkpoints.layers import layer_name
from apcli.criteria.subject import Subject
from apcli.errors import ApcliError, UsageError
from apcli.probes.activations import LARGEST, SecondMoment, SquareSums, inputs

# From the scores [G, K/G, columns] of some columns and the index of the first, choose: bool, True = removed.
Choose = Callable[[Tensor, int], Tensor]


def sparsegpt(subject: Subject, *, block: int, damping: float) -> dict[str, np.ndarray]:
    """Remove weights by optimal brain surgeon, layer by layer: the rest of a row compensates for each removed weight.

    A layer's columns are processed from left to right. A removed weight w_j is zeroed and the rest of its row moves by
    -w_j / u_jj u_j, with H^-1 = U'U, U upper triangular with rows u_j, and H = 2 E[h h'] + damping mean(diag) I of the
    layer's inputs h; the cost w_j^2 / u_jj^2 is the score. The layers are processed in the order in which the network
    calls them, each with the inputs that the reconstructed earlier layers give, so there is one pass over the data per
    layer. Everything is computed in float64 on the model's device.

    Exactly ``subject.removed`` weights of a tensor become zero: first its zeros, then weights of inputs that are always
    0; the others are removed in proportion to what is left of each block, ties by index. A tensor with more zeros
    keeps them all, and a kept weight may turn out too small for its dtype. With ``subject.pattern`` (n, m), every m
    consecutive inputs of a row (in a convolution: channels at one position of the kernel) keep n, or fewer if fewer
    were nonzero, and ``removed`` is ignored.

    Args:
        block: number of columns to choose from at once, 1 or more. A pattern always chooses from m at once.
        damping: as a share of the mean of H's diagonal, 0 or more.

    Returns:
        new weights by tensor name, in the weights' shapes and dtypes (bfloat16 widened to float32).

    Raises:
        UsageError: layers are not supported or too large.
        ApcliError: H is not positive definite, a layer's inputs hold NaN or Inf, or a new weight exceeds its dtype.

    Source: Frantar & Alistarh 2023, arXiv:2301.00774, algorithm 1 and section 3.3 on n:m; Hassibi & Stork 1992.
    There, all weights of a dead input are zeroed; here, no more than requested. The quota of a block is a share of its
    nonzero weights, since a fixed one cannot be met by a block that is all zero already.
    """
    model = subject.model
    met = inputs(model, subject.tensors, lambda: islice(subject.batches(), 1), SquareSums)  # refuses all at once
    _check_sizes(met)
    new = {}
    with torch.no_grad(), _restored(model, subject.tensors):
        for name in met:
            weight = model.get_parameter(name)
            moment = inputs(model, [name], subject.batches, SecondMoment)[name]
            weight.copy_(_reconstructed(name, weight, moment, subject, block, damping))
            if not bool(weight.isfinite().all()):
                raise ApcliError(
                    f"layer {layer_name(name)}: a new weight is too large for {weight.dtype}: raise "
                    "sparsegpt:damping, or --exclude the layer"
                )
            kept = weight.float() if weight.dtype == torch.bfloat16 else weight.clone()
            new[name] = kept.cpu().numpy()
    return {name: new[name] for name in subject.tensors}


@contextmanager
def _restored(model: nn.Module, tensors: Sequence[str]) -> Iterator[None]:
    """Restore the weights afterwards."""
    before = {name: model.get_parameter(name).clone() for name in tensors}
    try:
        yield
    finally:
        for name, weight in before.items():
            model.get_parameter(name).copy_(weight)


def _check_sizes(met: dict[str, SquareSums]) -> None:
    large = [layer_name(name) for name, sums in met.items() if sums.groups * sums.columns**2 > LARGEST]
    if large:
        raise UsageError(
            f"layer {large[0]} has too many inputs for their second moment: expected at most "
            f"{math.isqrt(LARGEST)}: give --exclude {','.join(large)}"
        )


def _reconstructed(
    name: str, weight: Tensor, moment: SecondMoment, subject: Subject, block: int, damping: float
) -> Tensor:
    """The new weight, float64."""
    rows = weight.double().reshape(moment.groups, -1, moment.columns)
    hessian = 2 * moment.matrix
    if subject.pattern:
        order = torch.arange(moment.columns, device=rows.device).reshape(weight.shape[1:])
        order = order.movedim(0, -1).flatten()  # channels last: puts the inputs of a group side by side
        rows, hessian = rows[..., order], hessian[:, order][..., order]
    zero = rows == 0
    dead = (hessian.diagonal(dim1=1, dim2=2) == 0).unsqueeze(1) & ~zero
    factor = _factor(hessian, damping, layer_name(name))
    if not subject.pattern:
        choose = _within_blocks(zero, dead, subject.removed[name], block)
        return _surgeon(rows, factor, choose, block, block).reshape(weight.shape)
    n, m = subject.pattern
    new = _surgeon(rows, factor, _within_groups(zero, dead, n, m), m, max(1, block // m) * m)
    return new[..., order.argsort()].reshape(weight.shape)


def _factor(hessian: Tensor, damping: float, layer: str) -> Tensor:
    """The upper triangular U with H^-1 = U'U, [G, J, J]; H is damped in place.

    H in reversed order is L L', so H = V V' with V upper triangular, and U is the inverse of V.
    """
    diagonal = hessian.diagonal(dim1=1, dim2=2)  # a view
    diagonal += damping * diagonal.mean(dim=1, keepdim=True)
    diagonal.masked_fill_(diagonal == 0, 1)  # inputs that are always 0, undamped: the others do not depend on them
    lower, failed = torch.linalg.cholesky_ex(hessian.flip(1, 2))
    upper = lower.flip(1, 2)
    pivots = upper.diagonal(dim1=1, dim2=2).square()
    rounding = hessian.shape[1] * torch.finfo(torch.float64).eps * diagonal.amax(dim=1)
    if bool((failed != 0).any() | ~(pivots.amin(dim=1) > rounding).all()):
        raise ApcliError(
            f"layer {layer}: the Hessian of its inputs is not positive definite with damping {damping:g}: "
            "raise sparsegpt:damping, or give more --images"
        )
    identity = torch.eye(hessian.shape[1], dtype=hessian.dtype, device=hessian.device)
    return torch.linalg.solve_triangular(upper, identity.expand_as(upper), upper=True)


def _surgeon(rows: Tensor, factor: Tensor, choose: Choose, width: int, block: int) -> Tensor:
    """Algorithm 1: zero what ``choose`` selects in every ``width`` columns of weights [G, K/G, J], and move the rest.

    The columns after a block (a multiple of ``width``) move when the block is done.
    """
    new = rows.clone()
    scale = factor.diagonal(dim1=1, dim2=2).unsqueeze(1)
    for start in range(0, new.shape[2], block):
        stop = min(start + block, new.shape[2])
        here, scale_here = new[..., start:stop], scale[..., start:stop]
        gone = torch.zeros_like(here, dtype=torch.bool)
        error = torch.zeros_like(here)
        for column in range(stop - start):
            if column % width == 0:
                some = slice(column, column + width)
                gone[..., some] = choose((here[..., some] / scale_here[..., some]).square(), start + column)
            error[..., column] = (here[..., column] / scale_here[..., column]).where(gone[..., column], 0)
            here[..., column:] -= error[..., column, None] * factor[:, None, start + column, start + column : stop]
        new[..., stop:] -= error @ factor[:, start:stop, stop:]
        here.masked_fill_(gone, 0)
    return new


def _within_blocks(zero: Tensor, dead: Tensor, removed: int, block: int) -> Choose:
    """Choose exactly ``removed`` weights: the zeros, the first of the dead, and a share of each block's others."""
    first = zero | dead & (dead.flatten().cumsum(0).reshape(dead.shape) <= removed - zero.sum())
    starts = np.arange(0, zero.shape[2], block)
    taken = np.add.reduceat(first.sum(dim=(0, 1)).cpu().numpy(), starts)
    free = np.add.reduceat((~first).sum(dim=(0, 1)).cpu().numpy(), starts)
    rest = max(0, removed - int(taken.sum()))
    up_to = [0, *((2 * rest * free.cumsum() + free.sum()) // max(1, 2 * free.sum()))]  # rounded so that they add up
    counts = dict(zip(starts.tolist(), (taken + np.diff(up_to)).tolist(), strict=True))

    def choose(scores: Tensor, start: int) -> Tensor:
        ranked = scores.masked_fill(first[..., start : start + block], -1).flatten()
        gone = torch.zeros_like(ranked, dtype=torch.bool)
        gone[ranked.sort(stable=True).indices[: counts[start]]] = True
        return gone.reshape(scores.shape)

    return choose


def _within_groups(zero: Tensor, dead: Tensor, n: int, m: int) -> Choose:
    """Choose all but n of a block's m columns in each row: the zeros, then the dead, then the lowest scores."""

    def choose(scores: Tensor, start: int) -> Tensor:
        here = slice(start, start + m)
        ranked = scores.masked_fill(dead[..., here], -1).masked_fill(zero[..., here], -2)
        ranks = ranked.argsort(dim=2, stable=True).argsort(dim=2)
        return (ranks < m - n) | zero[..., here]

    return choose

"""A layer's inputs and sums over them, and the metric of its outputs: how far a change of its weights moves them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apcli.checkpoints.layers import layer_name
from apcli.errors import ApcliError, UsageError
from apcli.probes.undisturbed import Batches, undisturbed

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LARGEST = 1 << 29  # elements of a second moment: 4 GiB
_BLOCK = 1 << 23  # elements of a block of inputs: 64 MiB in float64
_AGREES = 0.02  # of the largest output: more than half precision and TF32 differ, less than another function would


class SquareSums:
    """Sums of h^2 over a layer's inputs h, samples and positions: ``squares``, float64 [G, J].

    Args:
        groups: G, 1 except for grouped convolutions.
        columns: J, the length of h, which is the number of weights of one output.
    """

    def __init__(self, groups: int, columns: int, device: torch.device) -> None:
        self.groups, self.columns = groups, columns
        self.count = 0
        self.squares = torch.zeros(groups, columns, dtype=torch.float64, device=device)

    def add(self, rows: Tensor) -> None:
        """Add inputs [G, n, J] of any floating dtype."""
        self.count += rows.shape[1]
        self.squares += rows.double().square().sum(dim=1)


class SecondMoment:
    """E[h h'] of a layer's inputs h, for each of its groups: float64, over samples and positions.

    The inputs themselves are kept while they are fewer than their entries, since their Gram matrix would be larger.
    ``groups`` and ``columns`` are G and J, as in ``SquareSums``.
    """

    def __init__(self, groups: int, columns: int, device: torch.device) -> None:
        self.groups, self.columns, self.device = groups, columns, device
        self.count = 0
        self._rows: list[Tensor] = []
        self._gram: Tensor | None = None

    def add(self, rows: Tensor) -> None:
        """Add inputs [G, n, J] of any floating dtype."""
        self.count += rows.shape[1]
        if self.count < self.columns:
            self._rows.append(rows.clone())  # the network may change its activations in place afterwards
            return
        if self._gram is None and self.groups * self.columns**2 > LARGEST:
            raise UsageError(
                f"the second moment of a layer's {self.columns} inputs is too large: give fewer --images than that, "
                "or --exclude the layer"
            )
        self._rows.append(rows)
        self._sum()

    def _sum(self) -> Tensor:
        """The Gram matrix of all inputs [G, J, J]; the inputs themselves are dropped."""
        if self._gram is None:
            size = (self.groups, self.columns, self.columns)
            self._gram = torch.zeros(size, dtype=torch.float64, device=self.device)
        for part in self._rows:
            double = part.double()
            self._gram.baddbmm_(double.mT, double)
        self._rows = []
        return self._gram

    @property
    def matrix(self) -> Tensor:
        """E[h h'], float64 [G, J, J]."""
        return self._sum() / self.count

    @property
    def squares(self) -> Tensor:
        """The sums of h^2, float64 [G, J]."""
        if self._gram is not None:
            return self._gram.diagonal(dim1=1, dim2=2)
        return torch.stack([part.double().square().sum(dim=1) for part in self._rows]).sum(dim=0)

    def squared(self, difference: Tensor) -> Tensor:
        """E|D h|^2, summed over groups; D is float64 [G, outputs of a group, J]."""
        if self._gram is not None:
            total = (difference @ self._gram * difference).sum()
        else:
            total = torch.stack([(difference @ part.double().mT).square().sum() for part in self._rows]).sum()
        return total.clamp_min(0) / self.count  # keeps NaN


class Inputs:
    """A layer's inputs h themselves, samples and positions one after another, on the CPU.

    ``groups`` and ``columns`` are G and J, as in ``SquareSums``.
    """

    def __init__(self, groups: int, columns: int, device: torch.device) -> None:
        self.groups, self.columns = groups, columns
        self.count = 0
        self._parts: list[Tensor] = []

    def add(self, rows: Tensor) -> None:
        """Add inputs [G, n, J] of any floating dtype."""
        self.count += rows.shape[1]
        self._parts.append(rows.double().cpu().clone())  # the network may change its activations in place afterwards

    @property
    def rows(self) -> Tensor:
        """All inputs, float64 [G, count, J]."""
        return torch.cat(self._parts, dim=1)

    @property
    def squares(self) -> Tensor:
        """The sums of h^2, float64 [G, J]."""
        return torch.stack([part.square().sum(dim=1) for part in self._parts]).sum(dim=0)


InputSums = TypeVar("InputSums", SquareSums, SecondMoment, Inputs)


class ActivationMetric:
    """The precision M (x) (I - 11'/K): E|(I - 11'/K) D h|^2, with M = E[h h'] of each layer's inputs h.

    K is the number of outputs. Their mean is subtracted, since adding one number to all logits changes no prediction.
    The groups of a grouped convolution see different inputs: each has its own M. Neither they nor a layer with a single
    output are centred.
    """

    def __init__(self, moments: Mapping[str, SecondMoment]) -> None:
        self.moments = moments

    def squared(self, difference: Mapping[str, np.ndarray]) -> float:
        """The sum over layers; biases do not contribute, as they add the same to both networks' outputs."""
        return sum(self._squared(self.moments[name], array) for name, array in difference.items())

    def _squared(self, moment: SecondMoment, array: np.ndarray) -> float:
        change = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64)).to(moment.device)
        change = change.reshape(moment.groups, -1, moment.columns)
        if moment.groups == 1 and change.shape[1] > 1:
            change = change - change.mean(dim=1, keepdim=True)
        return float(moment.squared(change))


def activation(model: nn.Module, tensors: Sequence[str], batches: Batches) -> ActivationMetric:
    """The metric for which twice a Gaussian KL is the mean squared centred change of the layers' outputs.

    Args:
        tensors: names of weights, as for ``inputs``.

    Raises:
        UsageError: a tensor is no such weight, or the network uses it other than through its module.
        ApcliError: a layer's inputs hold NaN or Inf.

    Source: second moments as in Martens & Grosse 2015, arXiv:1503.05671; the centring is derived for this project:
    tr(D' (I - 11'/K) D M) = E|(I - 11'/K) D h|^2, since the projection I - 11'/K equals its own square.
    """
    return ActivationMetric(inputs(model, tensors, batches, SecondMoment))


def inputs(model: nn.Module, tensors: Sequence[str], batches: Batches, kind: type[InputSums]) -> dict[str, InputSums]:
    """Gather the inputs h of each weight in a ``kind``, by name, in the order in which the network calls the layers.

    For a convolution, h is the patch under the kernel, at every position. This takes one pass over the data. A module
    that is called several times contributes the inputs of all calls, and so do all modules that share a weight.

    Args:
        tensors: names of weights of ``nn.Linear``, ``nn.Conv1d``, ``nn.Conv2d`` or ``nn.Conv3d`` modules.

    Raises:
        UsageError: a tensor is no such weight, or the network uses it other than through its module.
        ApcliError: a layer's inputs hold NaN or Inf.
    """
    modules, refused = modules_of(model, tensors)
    sums: dict[str, InputSums] = {}
    with undisturbed(model), torch.no_grad(), ExitStack() as hooks:
        for name, module in modules.items():
            for sharing in [m for m in model.modules() if type(m) is type(module) and m.weight is module.weight]:
                hook = sharing.register_forward_hook(_taking(sums, kind, refused, name), with_kwargs=True)
                hooks.callback(hook.remove)
        for images, _ in batches():
            model(images)
            for name in modules.keys() - sums.keys():
                refused.setdefault(name, "is not called for the first batch: the network uses its weight directly")
            if refused:
                raise unsupported(refused, tensors)
    for name, layer_sums in sums.items():
        if not bool(layer_sums.squares.isfinite().all()):
            raise ApcliError(f"layer {layer_name(name)} has NaN or Inf in its inputs: expected finite activations")
    return sums


def modules_of(model: nn.Module, tensors: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The module of each weight, and the reason of refusal for those without one."""
    modules, refused = {}, {}
    for name in tensors:
        owner, _, attribute = name.rpartition(".")
        try:
            module = model.get_submodule(owner)
        except AttributeError:
            module = None
        if attribute == "weight" and isinstance(module, (nn.Linear, *_CONVOLUTIONS)):
            modules[name] = module
        else:
            refused[name] = "is no weight of a Linear, Conv1d, Conv2d or Conv3d module"
    return modules, refused


def unsupported(refused: Mapping[str, str], tensors: Sequence[str]) -> UsageError:
    """The error about weights that are refused, by name with the reason."""
    layers = {layer_name(name): refused[name] for name in tensors if name in refused}
    first, problem = next(iter(layers.items()))
    return UsageError(
        f"layer {first} {problem}; inputs can be measured for Linear, Conv1d, Conv2d and Conv3d layers: "
        f"give --exclude {','.join(layers)}"
    )


def _taking(
    sums: dict[str, InputSums], kind: type[InputSums], refused: dict[str, str], name: str
) -> Callable[..., None]:
    """A forward hook that adds a module's inputs; its first call checks that they give the module's outputs."""

    def take(
        module: nn.Linear | nn.modules.conv._ConvNd,
        args: tuple[Tensor, ...],
        kwargs: Mapping[str, Tensor],
        output: Tensor,
    ) -> None:
        if name not in sums:
            sums[name] = kind(getattr(module, "groups", 1), module.weight[0].numel(), module.weight.device)
        own = sums[name]
        taken = args[0] if args else kwargs["input"]
        blocks, outputs_of = _linear(module) if isinstance(module, nn.Linear) else _convolution(module)
        before = own.count
        for rows in blocks(taken):
            if own.count == 0 and not _agree(module, rows, outputs_of(output)):
                break
            own.add(rows)
        if own.count - before != output.numel() // module.weight.shape[0]:
            refused[name] = f"is a {type(module).__name__} that computes something else"

    return take


def _linear(module: nn.Linear) -> tuple[Callable[[Tensor], Iterator[Tensor]], Callable[[Tensor], Tensor]]:
    """Two functions: inputs [..., J] to blocks of rows [1, n, J], and outputs [..., K] to rows [1, n, K]."""

    def blocks(taken: Tensor) -> Iterator[Tensor]:
        yield from taken.reshape(1, -1, module.in_features).split(max(1, _BLOCK // module.in_features), dim=1)

    return blocks, lambda output: output.reshape(1, -1, module.out_features)


def _convolution(
    module: nn.modules.conv._ConvNd,
) -> tuple[Callable[[Tensor], Iterator[Tensor]], Callable[[Tensor], Tensor]]:
    """Two functions: images [N, C, ...] to blocks of patches [G, n, C/G * kernel], and outputs to rows [G, n, K/G]."""
    spatial, groups = len(module.kernel_size), module.groups

    def blocks(taken: Tensor) -> Iterator[Tensor]:
        patches = _pad(module, taken.reshape(-1, *taken.shape[-1 - spatial :]))  # a single image becomes a batch of one
        for axis, (kernel, step, spread) in enumerate(
            zip(module.kernel_size, module.stride, module.dilation, strict=True), start=2
        ):
            patches = patches.unfold(axis, spread * (kernel - 1) + 1, step)[..., ::spread]
        patches = patches.unflatten(1, (groups, -1))  # N, G, C/G, positions, kernel: a view without a copy
        patches = patches.permute(1, 0, *range(3, 3 + spatial), 2, *range(3 + spatial, 3 + 2 * spatial))
        each = patches[:, :1].numel()
        for part in patches.split(max(1, _BLOCK // max(1, each)), dim=1):
            yield part.reshape(groups, -1, part[0, 0].numel() // part.shape[2 : 2 + spatial].numel())

    def outputs_of(output: Tensor) -> Tensor:
        output = output.reshape(-1, *output.shape[-1 - spatial :]).unflatten(1, (groups, -1))
        return output.movedim(1, 0).movedim(2, -1).reshape(groups, -1, output.shape[2])

    return blocks, outputs_of


def _pad(module: nn.modules.conv._ConvNd, images: Tensor) -> Tensor:
    if isinstance(module.padding, str):
        wanted = [
            d * (k - 1) * (module.padding == "same") for d, k in zip(module.dilation, module.kernel_size, strict=True)
        ]
        sides = [(total // 2, total - total // 2) for total in wanted]
    else:
        sides = [(size, size) for size in module.padding]
    amounts = [size for side in reversed(sides) for size in side]  # the last axis comes first
    return F.pad(images, amounts, mode="constant" if module.padding_mode == "zeros" else module.padding_mode)


def _agree(module: nn.Linear | nn.modules.conv._ConvNd, rows: Tensor, outputs: Tensor) -> bool:
    """Whether the first outputs [G, n, K/G] equal the first rows [G, m, J] times the weight plus the bias.

    They may differ for subclasses that, for example, standardise their weight or pad in another way.
    """
    rows = rows[:, :64]
    outputs = outputs[:, : rows.shape[1]]
    expected = rows @ module.weight.reshape(rows.shape[0], -1, rows.shape[2]).mT
    if module.bias is not None:
        expected = expected + module.bias.reshape(rows.shape[0], 1, -1)
    if expected.shape != outputs.shape:
        return False
    error = (expected - outputs).abs().max()
    return not error > _AGREES * outputs.abs().max()  # NaN is reported elsewhere

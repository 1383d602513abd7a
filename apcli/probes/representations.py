"""What layers compute on images: as one matrix a layer, or as Gram matrices, whose size is that of the images alone."""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from apcli.allocations.units import Grams
from apcli.checkpoints.layers import layer_name
from apcli.errors import ApcliError, UsageError
from apcli.probes.activations import LARGEST, modules_of, unsupported
from apcli.probes.undisturbed import Batches, undisturbed

_BLOCK = 1 << 22  # numbers in double precision at a time


def outputs_of(model: nn.Module, tensors: Sequence[str], batches: Batches) -> Mapping[str, Tensor]:
    """The outputs of each weight's layer, by the weight's name: [images, outputs of one image], on the CPU.

    Args:
        tensors: names of weights of ``nn.Linear``, ``nn.Conv1d``, ``nn.Conv2d`` or ``nn.Conv3d`` modules.

    Raises:
        UsageError: a tensor is no such weight, its module is not called once for each batch, or the outputs are too
            large to be kept.
    """
    modules, refused = modules_of(model, tensors)
    if refused:
        raise unsupported(refused, tensors)
    found: dict[str, list[Tensor]] = {name: [] for name in modules}
    size = calls = 0
    with undisturbed(model), torch.no_grad(), ExitStack() as hooks:
        for name, module in modules.items():
            hooks.callback(module.register_forward_hook(_keeping(found[name])).remove)
        for images, _ in batches():
            model(images)
            calls += 1
            size += sum(parts[-1].numel() for parts in found.values() if parts)
            if size > LARGEST:
                raise UsageError("the outputs of the layers are too large: give fewer --images, or fewer --layers")
            odd = {name: "is not called once a batch" for name, parts in found.items() if len(parts) != calls}
            if odd:
                raise unsupported(odd, tensors)
    return {name: torch.cat([part.flatten(1) for part in parts]) for name, parts in found.items()}


def _keeping(parts: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """A forward hook that keeps a copy of the output, which the network may change in place afterwards."""
    return lambda module, args, output: parts.append(output.detach().to("cpu", copy=True))


@dataclass(frozen=True)
class Tap:
    """A place in a network to read features at: the input of a weight's layer, or its output.

    Attributes:
        tensor: the weight's name, of an ``nn.Linear`` or a convolution.
        channels: the channels to read there, int64 [k], in the numbering of the layer; None: all.
        output: whether to read what the layer makes, not what it reads.
    """

    tensor: str
    channels: np.ndarray | None = None
    output: bool = False


def grams(model: nn.Module, taps: Mapping[str, Sequence[Tap]], batches: Batches) -> Grams:
    """The Gram matrices of the features at each name's taps, summed in double precision.

    Images are taken two batches at a time, each with each other, so the network runs on n batches n - 1 times; a place
    is dropped as soon as its products are summed. Several layers that read the same tensor are one place, and a layer
    that is called several times is several.

    Raises:
        UsageError: a tap is at no such layer, or its layer is not called.
        ApcliError: features are NaN or Inf.
    """
    tensors = list(dict.fromkeys(tap.tensor for own in taps.values() for tap in own))
    modules, refused = modules_of(model, tensors)
    if refused:
        raise unsupported(refused, tensors)
    sizes = [len(labels) for _, labels in batches()]
    ends = np.cumsum(sizes)
    count = int(ends[-1])
    found: dict[str, list[np.ndarray]] = {name: [] for name in taps}
    about = {"images": np.zeros((count, count)), "labels": np.zeros((count, count))}
    with undisturbed(model), torch.no_grad():
        for one, other, images, labels in _pairs(batches, len(sizes)):
            at = np.concatenate([np.arange(ends[i] - sizes[i], ends[i]) for i in dict.fromkeys((one, other))])
            place = np.ix_(at, at)
            about["images"][place] = _gram(images)
            about["labels"][place] = (labels[:, None] == labels).double().cpu().numpy()
            for name, parts in _passed(model, modules, taps, images).items():
                while len(found[name]) < len(parts):
                    found[name].append(np.zeros((count, count)))
                for gram, part in zip(found[name], parts, strict=True):
                    gram[place] = part
    for name, parts in found.items():
        if not all(np.isfinite(part).all() for part in parts):
            raise ApcliError(f"the features of {name} have NaN or Inf: expected finite activations")
    return Grams({name: tuple(parts) for name, parts in found.items()}, about["images"], about["labels"])


def _pairs(batches: Batches, count: int) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """Yield every two batches as one, with their numbers; a single batch alone."""
    for one, (images, labels) in enumerate(batches()):
        if count == 1:
            yield one, one, images, labels
        for other, (more, theirs) in enumerate(batches()):
            if other > one:
                yield one, other, torch.cat([images, more]), torch.cat([labels, theirs])


def _passed(
    model: nn.Module, modules: Mapping[str, nn.Module], taps: Mapping[str, Sequence[Tap]], images: Tensor
) -> dict[str, list[np.ndarray]]:
    """The Gram matrices of one forward pass, of each name in the order of the calls."""
    places = {name: _Place([]) for name in taps}
    called: set[str] = set()

    def hook_of(place: "_Place", tap: Tap) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], output: Tensor) -> None:
            called.add(tap.tensor)
            place.read(output if tap.output else (args[0] if args else kwargs["input"]), tap, _axis(module))

        return hook

    with ExitStack() as hooks:
        for name, own in taps.items():
            for tap in own:
                handle = modules[tap.tensor].register_forward_hook(hook_of(places[name], tap), with_kwargs=True)
                hooks.callback(handle.remove)
        model(images)
    silent = [tap.tensor for own in taps.values() for tap in own if tap.tensor not in called]
    if silent:
        raise UsageError(
            f"layer {layer_name(silent[0])} is not called: the network uses its weight directly, and its features are "
            "not known: leave it out with --exclude, or choose another --scope"
        )
    return {name: place.grams for name, place in places.items()}


@dataclass(frozen=True)
class _Place:
    """The Gram matrices of one name in a forward pass, with the tensors that they are of, as long as these live."""

    grams: list[np.ndarray]
    known: list[tuple[weakref.ref[Tensor], bytes]] = field(default_factory=list)

    def read(self, features: Tensor, tap: Tap, axis: int) -> None:
        channels = b"" if tap.channels is None else tap.channels.tobytes()
        if any(known() is features and channels == theirs for known, theirs in self.known):
            return
        self.known.append((weakref.ref(features), channels))
        if tap.channels is not None:
            features = features.index_select(axis, torch.from_numpy(tap.channels).to(features.device))
        self.grams.append(_gram(features))


def _axis(module: nn.Module) -> int:
    """The dimension of a layer's inputs that its channels are along."""
    return -1 if isinstance(module, nn.Linear) else 1


def _gram(features: Tensor) -> np.ndarray:
    """X X' of features [n, ...], float64 [n, n], some columns at a time."""
    rows = features.detach().flatten(1)
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for block in rows.split(max(1, _BLOCK // len(rows)), dim=1):
        double = block.double()
        total.addmm_(double, double.T)
    return total.cpu().numpy()

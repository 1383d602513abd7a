"""The network and the data of a checkpoint: from the command line, otherwise from the lineage."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from apcli.channels.calls import resize_calls_
from apcli.channels.resize import Kept, fit_
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.kept_channels import parsed
from apcli.checkpoints.state_dicts import load_outline, load_tensors
from apcli.configs.shared import DEFAULT_DATA, DataConfig, InputConfig
from apcli.data.batches import batches
from apcli.data.datasets import Dataset, Samples, load
from apcli.data.image_spec import ImageSpec
from apcli.data.recorded import folder_among, recorded_name
from apcli.errors import ApcliError, UsageError, first_line, is_out_of_memory
from apcli.models import MODELS
from apcli.models.build import last_layer, outline
from apcli.models.copies import emptied
from apcli.models.inputs import for_its_channels, input_sentence
from apcli.models.layer_weights import layer_weights
from apcli.models.named import ModelOptions, NamedModel, described
from apcli.models.spec import ModelSpec
from apcli.models.weights import load_weights_
from apcli.probes.batch_size import images_at_once
from apcli.probes.undisturbed import Batches, undisturbed
from apcli.progress import Tell
from apcli.words import by, few

log = logging.getLogger("apcli")

_AS_THEY_ARE = InputConfig()
ASSUMED_CLASSES = 1000  # of a network whose file has no lineage, until its last layer shows their number


class Networks:
    """Builds the networks of a stream of checkpoints on one device; each data set is read once.

    Args:
        model: ``--model``, for files that do not record their network and for users' own networks.
        tell: shows a line of progress.
        inputs: the options about a network's input and output.
        images: number of training images; None: those that the checkpoint was trained on, 0: all.
    """

    def __init__(
        self,
        data: DataConfig,
        model: str | None,
        device: torch.device,
        tell: Tell,
        inputs: InputConfig = _AS_THEY_ARE,
        images: int | None = None,
    ) -> None:
        self.data = data
        self.device = device
        self.tell = tell
        self.options = ModelOptions(model, inputs)
        self.images = images
        self._sentences: dict[ModelSpec, str] = {}  # for each network, what it takes and the source of each value
        self._logged: set[str] = set()
        self._datasets: dict[tuple[str, int, int, bool], Dataset] = {}
        self._outlines: dict[tuple[ModelSpec, str | None, float | None], nn.Module] = {}

    def spec_and_data(self, source: Checkpoint) -> tuple[ModelSpec, Dataset]:
        """The network of ``source`` and its data, on the device.

        Raises:
            UsageError: one of them is unknown, or the network has too few outputs for the data.
        """
        known, guess = self.options.known_spec(source), self.spec_without_data(source)
        if guess is not None:
            self.outline(guess, source)  # reports a misfit before the data is read
        dataset = self._data_of(source)
        spec = known or self._spec_on(dataset.images, source, guess)
        dataset = dataset.for_outputs(source.lineage.classes, source.label)
        self._check_outputs(spec, dataset, source)
        self._sentences[spec] = input_sentence(
            spec, self.options.inputs, self.options.remembered(source), by_file=known is not None
        )
        return spec, dataset

    def of_pair(self, dense: Checkpoint, pruned: Checkpoint) -> tuple[ModelSpec, Dataset]:
        """The network and the data of a pair, by the pruned file where that names a network; see ``spec_and_data``."""
        return self.spec_and_data(pruned if pruned.lineage.model else dense)

    def spec_of_weights(self, source: Checkpoint) -> ModelSpec:
        """The network of ``source`` where no image is read: its outputs need not fit any data.

        Raises:
            UsageError: it is unknown.
        """
        spec = self.spec_without_data(source)
        return spec or self._spec_on(replace(self._data_of(source).images, classes=1), source, None)

    def spec_without_data(self, source: Checkpoint) -> ModelSpec | None:
        """The network that the lineage or ``--model`` names; None if its weights depend on the data.

        Without a lineage, it has an output for each row of the last layer in the file.

        Raises:
            UsageError: neither names one.
        """
        known = self.options.known_spec(source)
        if known is not None:
            return known
        spec = self.options.resolved(source, ImageSpec((3, 32, 32), 1, (0.0,), (1.0,)), ASSUMED_CLASSES)
        if spec.source == "user" or (spec.source == "apcli" and MODELS.row(spec.name).channels is None):
            return None
        return self.with_outputs_of(source, spec)

    def with_outputs_of(self, source: Checkpoint, spec: ModelSpec) -> ModelSpec:
        """The spec with an output for each row of the last layer of ``source``, if it has such a layer.

        Not if ``--num-classes`` is given, or if a user's network has its own idea of the number.
        """
        built = self._built(spec)
        name = last_layer(built, spec)
        head, own = source.entries.get(name), built.get_parameter(name).shape[0]
        if self.options.inputs_for(source).num_classes or head is None or own != spec.num_classes != ASSUMED_CLASSES:
            return spec
        return replace(spec, num_classes=head.shape[0])

    def spec(self, source: Checkpoint) -> ModelSpec:
        """The network of ``source`` by its lineage, otherwise by ``--model`` and the options about its input.

        No data is read: a library's network takes what its published weights take.

        Raises:
            UsageError: the network is unknown, or what it takes depends on data.
        """
        if (known := self.options.known_spec(source)) is not None:
            return known
        name, inputs = self.options.name_for(source), self.options.inputs_for(source)
        size = inputs.input_size
        channels = max(len(inputs.mean or ()), len(inputs.std or ()), 1)
        images = ImageSpec((channels, size or 1, size or 1), 1, (0.0,), (1.0,))
        spec = self.options.resolved(source, images, ASSUMED_CLASSES)
        published = spec.source in ("torchvision", "timm")
        if published:
            spec = self.options.resolved(source, images, ASSUMED_CLASSES, pretrained=True)
        elif size is None:
            raise UsageError(f"{source.label}: {name} takes images of many sizes: give --input-size N")
        spec = self.with_outputs_of(source, for_its_channels(spec, self.options.model))
        if published:
            self._sentences[spec] = input_sentence(
                spec, self.options.inputs, self.options.remembered(source), by_file=False, pretrained=True
            )
        return spec

    def _spec_on(self, images: ImageSpec, source: Checkpoint, guess: ModelSpec | None) -> ModelSpec:
        """The network of ``--model`` for such images; ``guess`` is what is known of it without them."""
        spec = for_its_channels(self.options.resolved(source, images), self.options.model)
        return self.with_outputs_of(source, spec) if guess is None else replace(spec, num_classes=guess.num_classes)

    def _check_outputs(self, spec: ModelSpec, dataset: Dataset, source: Checkpoint) -> None:
        """Refuse data that the network has too few outputs for, or that nobody chose; say which outputs are meant.

        Raises:
            UsageError: the data are refused.
        """
        sizes = f"{source.label} has {spec.num_classes} outputs and {dataset.name} {dataset.classes} classes"
        chosen = self.data.name is not None or source.lineage.data_name is not None
        if spec.num_classes < dataset.classes or (spec.num_classes > dataset.classes and not chosen):
            raise UsageError(f"{sizes}: give {'other' if chosen else 'its'} --data")
        if spec.num_classes > dataset.classes and source.lineage.model is None:
            log.warning("%s: these are taken for the first outputs", sizes)

    def as_built(self, source: Checkpoint, spec: ModelSpec, *, by_its_data: bool = False) -> Checkpoint:
        """The checkpoint with what its network ``spec`` adds: its layers and, in the lineage, its name and last layer.

        Args:
            by_its_data: whether the spec holds for whatever is done next, and so is remembered, not the name alone.
        """
        built, model = self._built(spec), source.lineage.model
        if model is None or described(model) is None:
            named = NamedModel(spec.name, spec.source, self.options.inputs_for(source))
            model = spec.to_json() if by_its_data else named.to_json()
        return source.as_built(layer_weights(built), {**model, "last": last_layer(built, spec)})

    def with_layers(self, source: Checkpoint) -> Checkpoint:
        """The checkpoint ``as_built``, without its data, as only the names of its layers are needed.

        Raises:
            UsageError: the network is unknown, or ``source`` does not have its layers.
        """
        images = ImageSpec((3, 32, 32), 1, (0.0,), (1.0,))  # names depend neither on them nor on the classes
        spec = self.options.known_spec(source) or self.options.resolved(source, images, 10)
        layers = layer_weights(self._built(spec))
        missing = [w.tensor for w in layers.weights if source.entries.keys().isdisjoint(w.names)]
        if missing:
            raise UsageError(
                f"{source.label} is not a {spec.name}, which has {few(missing)}: give the --model that it was made for"
            )
        return self.as_built(source, spec)

    def network(self, spec: ModelSpec, checkpoint: Checkpoint, drop_path: float | None = None) -> nn.Module:
        """The network with the checkpoint's weights, on the device; with fewer channels for a compact checkpoint.

        Its expected input is logged once.

        Raises:
            ApcliError: the tensors do not fit the network.
        """
        empty = emptied(self._built(spec, drop_path), "cpu")
        model = self._loaded(empty, checkpoint, load_tensors(checkpoint)).to(self.device)
        sentence = self._sentences.get(spec)
        if sentence and sentence not in self._logged:
            log.info("%s", sentence)
            self._logged.add(sentence)
        return model

    def outline(self, spec: ModelSpec, checkpoint: Checkpoint) -> nn.Module:
        """The network's structure without the checkpoint's weights (see ``models.copies``), on the CPU.

        Raises:
            ApcliError: the tensors do not fit the network.
        """
        return self._loaded(emptied(self._built(spec), "meta"), checkpoint, load_outline(checkpoint))

    def _loaded(self, model: nn.Module, checkpoint: Checkpoint, tensors: dict[str, Tensor]) -> nn.Module:
        try:
            fit_(model, _kept_in(checkpoint, model))
            resize_calls_(model, checkpoint.lineage.sizes)
        except ApcliError as error:
            raise ApcliError(f"{checkpoint.label}: {error}") from None
        load_weights_(model, tensors, (), checkpoint.label)
        return model

    def _built(self, spec: ModelSpec, drop_path: float | None = None) -> nn.Module:
        """The outline of a network as its library builds it, cached: drawing a large network's weights takes long."""
        key = (spec, self.options.users, drop_path)
        if key not in self._outlines:
            self._outlines[key] = outline(spec, user_model=self.options.users, drop_path=drop_path)
        return self._outlines[key]

    def _data_of(self, source: Checkpoint) -> Dataset:
        name = self.data.name or source.lineage.data_name or DEFAULT_DATA
        part, turned = self._images(name, source), self._is_turned(name, source)
        if self.data.name is None and name.startswith("folder:"):
            places = (Path(), Path(self.data.data_dir), source.home)
            name = folder_among(places, source.lineage.data or {}) or ""
        if not name:
            raise UsageError(
                f"{source.label} was trained on {source.lineage.data_name}, whose path is not in the file, and these "
                "images are neither here nor in --data-dir nor beside the file: give --data folder:PATH"
            )
        spec = self.options.known_spec(source)
        size = self.options.inputs_for(source).input_size or (spec.input_size[1] if spec else 0)
        return self._dataset(name, size, part, turned)

    def _images(self, name: str, source: Checkpoint) -> int:
        """The number of training images to use of the data ``name``; 0: all."""
        return self._recorded(name, source).get("part", 0) if self.images is None else self.images

    def _is_turned(self, name: str, source: Checkpoint) -> bool:
        """Whether the images of the data ``name`` are turned as their EXIF orientation says."""
        given = self.data.exif_orientation
        return self._recorded(name, source).get("exif_orientation", False) if given is None else given

    def _recorded(self, name: str, source: Checkpoint) -> Mapping[str, Any]:
        """What the lineage says of the data ``name``."""
        theirs = source.lineage.data
        return theirs if theirs is not None and theirs["name"] == recorded_name(name) else {}

    def _dataset(self, name: str, size: int, images: int, turned: bool) -> Dataset:
        key = (name, size, images, turned)
        if key not in self._datasets:
            self.tell(f"loading {name}")
            loaded = load(
                name,
                Path(self.data.data_dir),
                size=size or None,
                download=self.data.download,
                workers=self.data.workers,
                cache=self.data.cache,
                images=images,
                exif_orientation=turned,
            )
            self._datasets[key] = loaded.to(self.device)
        return self._datasets[key]


def with_last_layer(source: Checkpoint, tell: Tell) -> Checkpoint:
    """The checkpoint with the layers of the network that its lineage names, of which one is the last.

    Raises:
        UsageError: ``source`` does not have its layers, or it is a user's own.
    """
    return Networks(DataConfig(), None, torch.device("cpu"), tell).with_layers(source)


def _kept_in(checkpoint: Checkpoint, model: nn.Module) -> Kept:
    """The channels of a compact file that are left, of tensors that the model has.

    The strict loader reports others, and other misfits, such as another number of classes.

    Raises:
        ApcliError: the lists do not fit the tensors.
    """
    kept: dict[str, dict[int, np.ndarray]] = {}
    state = model.state_dict()
    for name, dims in checkpoint.lineage.kept.items():
        shape = checkpoint.entries[name].shape if name in checkpoint.entries else ()
        if name not in state or len(shape) != state[name].dim():
            continue
        for dim, text in dims.items():
            try:
                at = int(dim)
                kept.setdefault(name, {})[at] = parsed(text, shape[at])
            except (ValueError, IndexError) as error:
                raise ApcliError(f"the kept channels of {name} are wrong ({error}): is the file damaged?") from None
    return kept


def noise_for(network: nn.Module, spec: ModelSpec, size: int, seed: int = 0) -> Tensor:
    """Normal noise [size, C, H, W], similar to normalised images, in the network's type and on its device."""
    noise = torch.randn(size, *spec.input_size, generator=torch.Generator().manual_seed(seed))
    return noise.to(next(network.parameters(), noise))


@contextmanager
def running(label: str, spec: ModelSpec) -> Iterator[None]:
    """Turn an error of a running network into one line; ``label`` names its file.

    Raises:
        ApcliError: the network raises an error.
    """
    try:
        yield
    except (ApcliError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        size = by(spec.input_size)
        reason = first_line(error)
        raise ApcliError(
            f"{label}: its network fails on images of {size} ({reason}): try another --input-size"
        ) from error


def batches_of(split: Samples, spec: ModelSpec, size: int) -> Batches:
    """The split's images as the network takes them, in order and without augmentation, ``size`` at a time."""
    return lambda: batches(split, size, spec.scaling)


def forward_batches(network: nn.Module, split: Samples, spec: ModelSpec, most: int) -> Batches:
    """The batches for a forward pass alone, of the size that is fastest on the device: results do not depend on it."""
    with undisturbed(network):
        device = next((p.device for p in network.parameters()), torch.device("cpu"))
        return batches_of(split, spec, images_at_once(network, spec.input_size, device, most))

"""Train: a dense network from scratch, from published weights, or from a file made elsewhere."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import check_tied, every_layer
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import named
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.shared import DEFAULT_DATA, InputConfig
from apcli.configs.training import TrainConfig
from apcli.data import DATASETS, FOLDER
from apcli.data.class_names import places_of
from apcli.data.datasets import Dataset, load
from apcli.devices import device_of
from apcli.errors import UsageError
from apcli.models.build import build, last_layer
from apcli.models.inputs import for_its_channels, input_sentence
from apcli.models.layer_weights import layer_weights
from apcli.models.named import described
from apcli.models.spec import ModelSpec, check_model, resolve
from apcli.models.weights import load_weights_, log_versions, renamed, tensors_of, with_fresh_head
from apcli.networks import Networks
from apcli.progress import Progress
from apcli.stages.finished import train_settings
from apcli.stages.inherited_masks import promises_of
from apcli.stages.outputs import Outputs
from apcli.stages.trained_names import train_stems
from apcli.stages.training_runs import Runs, TrainingRun, teacher_of
from apcli.training.evaluation import in_percent, told_split
from apcli.training.forward import Forward, warn_of_emulation
from apcli.training.masking import Masking
from apcli.training.optim.parameters import parameters_of
from apcli.training.processes import Processes
from apcli.training.recipe import recipe_of, warn_of_schedule

log = logging.getLogger("apcli")


def train(config: TrainConfig, outputs: Outputs, tell: Progress, processes: Processes | None = None) -> Iterator[Path]:
    """Train a network for each model, data set and seed; yields each file when it is complete.

    Args:
        tell: shows a line of progress.

    Raises:
        UsageError: an unknown name, missing data or weights, or another file is in the way.
        ApcliError: weights that do not fit, or a loss that is no longer finite.
    """
    configs = config.each
    outputs.expect(len(configs) * len(config.seeds))
    tell.expect(len(configs) * len(config.seeds))
    for one in configs:  # a wrong name is refused before the first network is trained
        check_model(one.model.name, pretrained=one.model.pretrained)
        if one.data.name is not None and not one.data.name.startswith(f"{FOLDER.name}:"):
            DATASETS.parse(one.data.name)
    for one, stems in train_stems(config):
        yield from _train(one, stems, outputs, tell, processes or Processes())


def _train(
    config: TrainConfig, stems: Mapping[int, str], outputs: Outputs, tell: Progress, processes: Processes
) -> Iterator[Path]:
    """Train one model on one data set, for each seed.

    Args:
        stems: by seed, the name of the file.
    """
    device = device_of(config.loop.device, deterministic=config.loop.deterministic)
    given = _given(config)
    tell("loading data")
    dataset, spec = _data_and_spec(config, given)
    description = dataset.description
    dataset = dataset.to(device).hold_out(config.loop.validation)
    recipe = recipe_of(config.loop, spec, dataset, device)
    warn_of_emulation(config.loop.amp, device)
    warn_of_schedule(config.loop)
    user_model = config.model.name if spec.source == "user" else None
    networks = Networks(config.data, user_model, device, tell)
    teacher, teacher_sha256 = teacher_of(config, networks, spec, dataset.names)
    runs = Runs(config.loop, outputs, tell, processes)
    unsaid = [_inputs_of(spec, config, given)]
    for seed, stem in stems.items():
        path = outputs.place(stem)
        lineage = Lineage.EMPTY.then(
            "train",
            train_settings(config, recipe, teacher_sha256),
            model=spec.to_json(),
            data=description,
            classes=tuple(dataset.names[: spec.num_classes]),
            seed=seed,
            parent=None if given.source is None else given.source.link(outputs.home_of(path)),
        )
        if outputs.has(path, lineage):
            tell.finished(made=False)
            yield path
            continue
        model = _beginning(config, spec, seed, given).to(device)
        while unsaid:
            log.info("%s", unsaid.pop())
        named = {**spec.to_json(), "last": last_layer(model, spec)}
        lineage = replace(lineage, model=named, layers=layer_weights(model))
        lineage = replace(lineage, pruned=_zeros_of(model, path, lineage, config, given))
        run = TrainingRun(path, spec, dataset, recipe, seed, lineage, teacher, source=given.source)
        training = runs.train(model, run, masking=_holding(model, run))
        measured = training.metrics or runs.evaluate(model, run)
        metrics = {split: measured[split] for split in dataset.splits if split in measured}
        if runs.processes.first:
            result = run.knowing(history=tuple(training.history), metrics=metrics).lineage
            write(path, entries_of(training.evaluated.network.state_dict()), result, like=given.source)
            log_versions(model, outputs.label(path))
        runs.finish(training)
        label, told = outputs.label(path), told_split(metrics)
        loss = metrics[told]["loss"]
        log.info("%s: %s accuracy %s, %s loss %s", label, told, in_percent(metrics), told, loss and f"{loss:.5f}")
        tell.finished()
        yield path


@dataclass(frozen=True)
class _Given:
    """The file of ``--weights``, and its tensors under their names in the network."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    source: Checkpoint | None = None

    @property
    def lineage(self) -> Lineage:
        """The file's lineage."""
        return Lineage.EMPTY if self.source is None else self.source.lineage

    def spec(self, name: str) -> ModelSpec | None:
        """The network called ``name``, if the file's lineage describes it; otherwise None."""
        spec = described(self.lineage.model)
        return spec if spec and spec.name in (name, name.partition(":")[2], Path(name).name) else None


def _given(config: TrainConfig) -> _Given:
    """Read the files that options name, so that errors in them are reported before the data is read.

    Raises:
        UsageError: the model is unknown, a file is missing, a rename does not suit it, or there is no dense network.
        ApcliError: the weights cannot be read.
    """
    if config.loop.teacher == "dense":
        raise UsageError("--teacher dense: what is trained here has no dense ancestor: give --teacher FILE")
    if config.loop.teacher is not None:
        named(config.loop.teacher, config.weights_key)
    check_model(config.model.name, pretrained=config.model.pretrained)
    if config.weights is None:
        return _Given()
    source = named(config.weights, config.weights_key)
    given = _Given(tensors_of(source), source)
    renamed(given.tensors, config.rename, config.weights)
    if given.lineage.kept:
        raise UsageError(
            f"--weights {config.weights} is a compact file, with fewer channels than {config.model.name} has: "
            "give it to apcli finetune as it is"
        )
    return given


def _beginning(config: TrainConfig, spec: ModelSpec, seed: int, given: _Given) -> nn.Module:
    """The network before its first step: random, published or given weights."""
    torch.manual_seed(seed)  # before the model exists: its initial weights are drawn here
    user_model = config.model.name if spec.source == "user" else None
    drop_path = config.loop.drop_path
    model = build(spec, pretrained=config.model.pretrained, user_model=user_model, drop_path=drop_path)
    if config.weights:
        weights: Mapping[str, Tensor] = renamed(given.tensors, config.rename, config.weights)
        if config.loop.epochs:  # a network that is only evaluated needs its own
            weights = with_fresh_head(weights, model, last_layer(model, spec), config.weights)
        load_weights_(model, weights, (), config.weights)
    return model


def _zeros_of(model: nn.Module, path: Path, lineage: Lineage, config: TrainConfig, given: _Given) -> dict[str, Promise]:
    """The promises of the zeros that training starts with, and how they were pruned if the file says so."""
    if not (config.weights or config.model.pretrained):
        return {}
    label = config.weights or config.model.name
    entries = entries_of(model.state_dict())
    if config.weights:
        theirs = entries_of(renamed(given.tensors, config.rename, config.weights))
        source = Checkpoint(Path(label), path.parent, theirs, lineage)
        check_tied(source, every_layer(source))
    promises = promises_of(Checkpoint(Path(label), path.parent, entries, lineage))
    known = {name: promise for name, promise in given.lineage.pruned.items() if name in entries}
    for name, promise in known.items():
        zeros, size = entries[name].zeros, entries[name].size
        if promise.zeros <= zeros and promise.size == size:
            promises[name] = replace(promise, zeros=zeros)
    return promises


def _holding(model: nn.Module, run: TrainingRun) -> Masking:
    """The masks of the promised zeros."""
    Forward(model, run.spec)  # fixes the weights' memory layout, which the masks copy
    parameters = parameters_of(model)
    return Masking(
        parameters, {name: parameters[name].detach() == 0 for name in run.lineage.pruned if name in parameters}
    )


def _inputs_of(spec: ModelSpec, config: TrainConfig, given: _Given) -> str:
    """A sentence about the network's input and where each value comes from."""
    by_file = given.spec(config.model.name) is not None
    return input_sentence(spec, config.model, InputConfig(), by_file=by_file, pretrained=config.model.pretrained)


def _data_and_spec(config: TrainConfig, given: _Given) -> tuple[Dataset, ModelSpec]:
    """The data and the network, whose unset options come from the file of ``--weights`` if it has them."""
    model, data = config.model, config.data
    theirs = given.spec(model.name)
    size = model.input_size or (theirs.input_size[1] if theirs else None)
    dataset = load(
        data.name or DEFAULT_DATA,
        Path(data.data_dir),
        size=size,
        download=data.download,
        workers=data.workers,
        cache=data.cache,
        images=config.loop.images or 0,
        exif_orientation=data.exif_orientation or False,
    )
    classes = model.num_classes
    if dataset.names and given.lineage.classes:
        if config.loop.epochs and None in places_of(dataset.names, given.lineage.classes):
            log.info("the outputs of %s are trained on other classes: those of %s", config.weights, dataset.name)
        else:
            dataset = dataset.for_outputs(given.lineage.classes, str(config.weights))
            classes = classes or (theirs.num_classes if theirs else None)
    inputs = InputConfig(
        num_classes=classes,
        input_size=size,
        mean=model.mean or (theirs.mean if theirs else None),
        std=model.std or (theirs.std if theirs else None),
    )
    spec = resolve(model.name, dataset.images, inputs, pretrained=model.pretrained)
    return dataset, for_its_channels(spec, model.name)

"""Fine-tune: continue training with the zeros held or increased, and track how performance recovers."""

import functools
import logging
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from apcli.allocations import SPARSITY_SCHEDULES
from apcli.checkpoints import traces
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer, check_tied, every_layer, listing, prunable, select
from apcli.checkpoints.lineage import Lineage, MetricsBySplit
from apcli.checkpoints.promises import Json, Link, Promise
from apcli.checkpoints.reading import dense_ancestor
from apcli.checkpoints.state_dicts import entries_of, entry_of
from apcli.checkpoints.verification import check_input
from apcli.checkpoints.writing import write
from apcli.configs.training import FinetuneConfig
from apcli.criteria import IN_TRAINING, METHODS
from apcli.devices import device_of
from apcli.errors import UsageError
from apcli.models.build import last_layer
from apcli.networks import Networks
from apcli.progress import Progress
from apcli.stages.finished import settings_of, trial_of
from apcli.stages.inherited_masks import promises_of
from apcli.stages.outputs import Outputs
from apcli.stages.training_runs import Runs, TrainingRun, check_outputs, teacher_of
from apcli.theory.statistics import performance
from apcli.training.evaluation import in_percent, told_split
from apcli.training.forward import Forward, warn_of_emulation
from apcli.training.loop import Training
from apcli.training.masking import Masking, Ramp
from apcli.training.optim.parameters import parameters_of
from apcli.training.processes import Processes
from apcli.training.recalibration import recalibrate_
from apcli.training.recipe import recipe_of, warn_of_schedule

log = logging.getLogger("apcli")

# `--trace auto` keeps the pruned layers if they have at most this many weights, otherwise the last layer.
_TRACED_WEIGHTS = 1 << 22


class Finetuner:
    """Fine-tunes a stream of checkpoints; data and the metrics of dense networks are cached.

    Args:
        tell: shows a line of progress.
    """

    def __init__(
        self, config: FinetuneConfig, outputs: Outputs, tell: Progress, processes: Processes | None = None
    ) -> None:
        self.config = config
        self.outputs = outputs
        self.tell = tell
        self.device = device_of(config.loop.device, deterministic=config.loop.deterministic)
        self.networks = Networks(config.data, config.model, self.device, tell, config.inputs, config.loop.images)
        warn_of_emulation(config.loop.amp, self.device)
        warn_of_schedule(config.loop)
        self.runs = Runs(config.loop, outputs, tell, processes or Processes())
        self._dense_metrics: dict[tuple[str, str], MetricsBySplit] = {}
        self.method, self.schedule = METHODS.parse(config.method), SPARSITY_SCHEDULES.parse(config.schedule or "cubic")
        if self.method.name not in IN_TRAINING:
            known = ", ".join(IN_TRAINING)
            raise UsageError(f"--method {self.method.name} is not one that prunes while training: expected {known}")

    def finetune(self, source: Checkpoint, seed: int | None = None) -> Path:
        """Fine-tune one checkpoint with a seed (None: its own), write it and its trace, and return its path.

        Raises:
            UsageError: the network or its data is not known, or another file is in the way.
            ApcliError: the weights do not fit the model, or the loss is no longer finite.
            VerificationError: a zero was lost.
        """
        config = self.config
        self.tell(f"reading {source.label}")
        source = self._known(source)
        pruned = self._promises_of(source)
        growing = self._growing(source, pruned)
        traced = traced_layers(source, config.trace, {*pruned, *(layer.tensor for layer in growing)})
        dense = self._dense_of(source, pruned)
        spec, whole = self.networks.spec_and_data(source)
        dataset = whole.hold_out(config.loop.validation)
        recipe = recipe_of(config.loop, spec, dataset, self.device)
        teacher, teacher_sha256 = teacher_of(config, self.networks, spec, whole.names, dense)
        own_seed = source.lineage.seed or 0
        path = self.outputs.place(f"{self._stem(source)}{trial_of(config, seed)}", source)
        seed = own_seed if seed is None else seed
        home = self.outputs.home_of(path)
        settings = {
            **recipe.settings(),
            **self._settings(),
            "seed": seed,
            "dense": None if dense is None else dense.sha256,
            "teacher": teacher_sha256,
        }
        lineage = source.lineage.then(
            "finetune",
            settings,
            model=spec.to_json(),
            data=whole.description,
            classes=tuple(whole.names) or source.lineage.classes,
            seed=own_seed,
            layers=source.network_layers,
            pruned=pruned,
            parent=source.link(home),
            dense=_dense_link(source, dense, home),
        )
        if self._is_there(path, lineage, traced):
            self.tell.finished(made=False)
            return path
        model = self.networks.network(spec, source, config.loop.drop_path)
        lineage = replace(lineage, model={**spec.to_json(), "last": last_layer(model, spec)})
        so_far = functools.partial(self._promises_so_far, growing)
        run = TrainingRun(path, spec, dataset, recipe, seed, lineage, teacher, so_far, source)
        if dense is None:
            log.warning("%s: its dense network is not there, so PD is not known: give --dense FILE", source.label)
        else:
            run = run.knowing(dense_metrics=self._metrics_of(dense, run))
        training, result = self._train(model, run, traced, growing)
        if self.runs.processes.first:
            _write(path, training, result, source, bool(traced))
        self.runs.finish(training)
        log.info("%s: %s", self.outputs.label(path), _accuracies(result, recipe.epochs))
        self.tell.finished()
        return path

    def _known(self, source: Checkpoint) -> Checkpoint:
        """The checked source, with its network's list of layers."""
        check_input(source)
        source.check_finite()
        if source.network_layers is None:
            spec, _ = self.networks.spec_and_data(source)
            source = self.networks.as_built(source, spec)
        check_tied(source, every_layer(source))
        return source

    def _promises_of(self, source: Checkpoint) -> dict[str, Promise]:
        """The promises of the source's zeros, which training keeps."""
        pruned = promises_of(source)
        if self.config.update == "pruned" and not pruned:
            raise UsageError(f"--update pruned: {source.label} has no pruned layer: prune first, or use --update all")
        return pruned

    def _growing(self, source: Checkpoint, pruned: Collection[str]) -> list[Layer]:
        """The layers that ``--sparsity`` prunes further during training; none without it.

        Zeros in a layer without a promise are initial values, and learn like other weights.
        """
        config = self.config
        if config.sparsity is None:
            return []
        layers = select(source, config.layers, config.exclude)
        for group in _ranked_together(layers, config.scope):
            size = sum(layer.size for layer in group)
            zeros = sum(source.entries[layer.tensor].zeros for layer in group if layer.tensor in pruned)
            if round(config.sparsity * size) < zeros:
                what = group[0].name if config.scope == "layer" else "what --scope global ranks"
                raise UsageError(
                    f"--sparsity {config.sparsity:g}: {what} in {source.label} has {zeros / size:.4g} already: "
                    "give no less, or leave the layer out with --exclude"
                )
        return layers

    def _stem(self, source: Checkpoint) -> str:
        if self.config.sparsity is None:
            return f"{source.stem}.finetuned"
        share = np.format_float_positional(self.config.sparsity, trim="-")
        schedule = self.schedule.words
        return f"{source.stem}.{self.method.words}-{share}-{schedule}.finetuned"

    def _settings(self) -> Json:
        config = self.config
        always = settings_of(config)
        if config.sparsity is None:
            return always
        return {
            **always,
            "sparsity": config.sparsity,
            "schedule": self.schedule.spec,
            "method": self.method.spec,
            "scope": config.scope,
            "layers": config.layers,
            "exclude": config.exclude,
        }

    def _masking(
        self, parameters: Mapping[str, nn.Parameter], held: Iterable[str], growing: list[Layer], steps: int
    ) -> Masking:
        """The masks of ``held`` tensors' zeros, with the ramps along which ``growing`` layers gain more.

        Tied weights share one mask."""
        tensors = dict.fromkeys([*held, *(layer.tensor for layer in growing)])
        for tensor in tensors.keys() - parameters.keys():
            raise UsageError(f"{tensor} is not learnt, so --sparsity cannot prune it in training: see --exclude")
        masks = {id(parameters[tensor]): _none_of(parameters[tensor]) for tensor in tensors}
        masks |= {id(parameters[tensor]): parameters[tensor].detach() == 0 for tensor in held}
        once = {id(parameters[layer.tensor]): layer for layer in growing}
        learns = "training" in self.method.row.needs
        ramps = []
        for group in _ranked_together(list(once.values()), self.config.scope):
            size = sum(layer.size for layer in group)
            zeros = sum(int(masks[id(parameters[layer.tensor])].sum()) for layer in group)
            ramp = self.schedule(steps, zeros / size, self.config.sparsity)
            wanted = {step: max(zeros, round(sparsity * size)) for step, sparsity in ramp.items()}
            if learns and wanted.get(0, zeros) > zeros:
                raise UsageError(
                    f"--method {self.method.name} with --schedule {self.schedule.spec} of {steps} steps: weights would "
                    "go before the first has taught it anything: give the schedule a later begin, or more --epochs"
                )
            ramps.append(Ramp(tuple(layer.tensor for layer in group), wanted))
        learn = self.method if learns else None
        return Masking(parameters, {tensor: masks[id(parameters[tensor])] for tensor in tensors}, ramps, learn)

    def _train(
        self, model: nn.Module, run: TrainingRun, traced: list[Layer], growing: list[Layer]
    ) -> tuple[Training, Lineage]:
        """Train ``model`` in place; returns the result's lineage too, with history, metrics and promises."""
        recipe, pruned = run.recipe, dict(run.lineage.pruned)
        if not pruned and not growing and run.source is not None:
            log.info("%s has no pruned layers: fine-tuning holds no zeros", run.source.label)
        before = self.runs.evaluate(model, run)  # fixes the weights' memory layout, which the masks copy
        parameters = parameters_of(model)
        batches = math.ceil(len(run.dataset.train) / recipe.batch_size)
        learnt = [tensor for tensor in pruned if tensor in parameters]  # a pruned buffer never changes
        masking = self._masking(parameters, learnt, growing, recipe.epochs * batches)
        run = run.knowing(history=({"epoch": 0, **before},))
        names = [layer.tensor for layer in traced]
        start = {name: model.state_dict()[name].to("cpu", copy=True) for name in names}
        if self.config.recalibrate_bn:
            recalibrate_(Forward(model, run.spec), run.dataset, recipe.batch_size, run.seed)
            before = self.runs.evaluate(model, run)
        only = learnt if self.config.update == "pruned" else None
        training = self.runs.train(model, run, masking=masking, only=only, traced=names)
        training.snapshots[0] = start
        dense = run.lineage.dense_metrics
        epochs = (*run.lineage.history, *training.history)
        history = tuple({**entry, "pd": performance.difference(dense, entry)} for entry in epochs)
        now = training.metrics or before
        metrics = {split: now[split] for split in run.dataset.splits if split in now}
        for layer in growing:
            zeros = int(masking.removed[layer.tensor].sum())
            pruned[layer.tensor] = self._promise(layer, zeros, self.config.sparsity)
            if zeros == layer.size:
                log.warning("%s loses all its weights: see --scope and --exclude", layer.name)
        return training, run.knowing(history=history, metrics=metrics, pruned=pruned).lineage

    def _promise(self, layer: Layer, zeros: int, requested: float | None = None) -> Promise:
        method = f"{self.method.spec} {self.schedule.name}"  # ``lowest`` alone means one-shot pruning
        return Promise(zeros, layer.size, method, self.config.scope, requested=requested)

    def _promises_so_far(self, growing: list[Layer], weights: Mapping[str, Tensor]) -> dict[str, Promise]:
        """The promises of weights from the middle of a run: the zeros that they have by then."""
        zeros = {layer: int((weights[layer.tensor] == 0).sum()) for layer in growing}
        return {layer.tensor: self._promise(layer, count) for layer, count in zeros.items() if count}

    def _is_there(self, path: Path, wanted: Lineage, traced: list[Layer]) -> bool:
        """Whether the checkpoint, and its trace if one is wanted, already exist and were made the same way.

        Raises:
            UsageError: another file has the name of one of them.
        """
        trace = traces.path_beside(path)
        if not traced and trace.exists():
            if not self.outputs.overwrite:
                raise UsageError(f"{trace} is of another run: --overwrite removes it, --output names another place")
            trace.unlink()
        made = self.outputs.has(path, wanted)
        return (not traced or self.outputs.has(trace, wanted.of_trace(), say=False)) and made

    def _dense_of(self, source: Checkpoint, pruned: Mapping[str, Promise]) -> Checkpoint | None:
        """The dense checkpoint that PD compares with: ``--dense``, the dense ancestor, or a dense source; else None."""
        if self.config.dense is None and not pruned:
            return source
        try:
            return dense_ancestor(source, self.config.dense, self.config.weights_key)
        except UsageError:
            if self.config.dense is not None:
                raise
            return None

    def _metrics_of(self, dense: Checkpoint, run: TrainingRun) -> MetricsBySplit:
        """The dense network's metrics, measured here, on the same data as the pruned network's."""
        key = (dense.sha256, run.dataset.name)
        if key not in self._dense_metrics:
            self.tell(f"evaluating {dense.label}")
            check_outputs(dense, run.dataset.names)
            self._dense_metrics[key] = self.runs.evaluate(self.networks.network(run.spec, dense), run)
        return self._dense_metrics[key]


def _ranked_together(layers: list[Layer], scope: str) -> list[list[Layer]]:
    return [[layer] for layer in layers] if scope == "layer" else [layers] if layers else []


def _none_of(weight: Tensor) -> Tensor:
    """A mask that removes nothing, in the weight's layout."""
    return torch.zeros_like(weight, dtype=torch.bool, requires_grad=False)


def traced_layers(source: Checkpoint, wanted: str, pruned: Collection[str]) -> list[Layer]:
    """The layers of ``--trace``: ``none``, ``auto`` (the pruned ones or, if they are too large, the last), or a
    selection.

    Raises:
        UsageError: no such layer.
    """
    if wanted == "none":
        return []
    if wanted != "auto":
        return select(source, wanted, option="--trace")
    chosen = [layer for layer in prunable(source) if layer.tensor in pruned]
    if sum(layer.size for layer in chosen) <= _TRACED_WEIGHTS:
        return chosen
    chosen = [layer for layer in prunable(source) if layer.tensor == source.lineage.last_layer]
    log.warning("the pruned layers are too large to trace: traced is %s (see --trace)", listing(chosen) or "none")
    return chosen


def _write(path: Path, training: Training, lineage: Lineage, source: Checkpoint, traced: bool) -> None:
    """Write the checkpoint and, if wanted, the trace beside it."""
    write(path, entries_of(training.evaluated.network.state_dict()), lineage, like=source)
    if traced:
        write(traces.path_beside(path), _trace_entries(training.snapshots), lineage.of_trace())


def _trace_entries(steps: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Entry]:
    ordered = sorted(steps.items())
    return {traces.tensor_name(name, epoch): entry_of(value) for epoch, step in ordered for name, value in step.items()}


def _dense_link(source: Checkpoint, dense: Checkpoint | None, home: Path) -> Link | None:
    """The lineage's link to the dense file: to ``dense``, or, if that is None, the one in the source's lineage."""
    if dense is not None:
        return dense.link(home)
    return source.dense_link(home) if source.lineage.dense else None


def _accuracies(result: Lineage, epochs: int) -> str:
    before, after = (in_percent(metrics) for metrics in (result.history[0], result.metrics))
    words = f"{before} before and {after} after fine-tuning" if epochs else f"{after}, without training"
    return f"{told_split(result.metrics)} accuracy {words}"

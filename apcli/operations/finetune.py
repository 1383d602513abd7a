"""Fine-tune: train a pruned network on, its zeros held, and follow how its performance comes back."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from apcli import lineage as lineages
from apcli import traces
from apcli.checkpoints import Checkpoint, Entry, dense_ancestor, write
from apcli.configs import FinetuneConfig
from apcli.data.datasets import Dataset, load
from apcli.errors import UsageError
from apcli.layers import Layer, listing, prunable, select
from apcli.models.build import build, last_layer
from apcli.models.spec import ModelSpec, resolve
from apcli.models.weights import load_weights_
from apcli.operations.loop import device_of, evaluate, fit, parameters_of, recipe_of
from apcli.outputs import Outputs
from apcli.state_dicts import entries_of, entry_of
from apcli.state_dicts import load as load_tensors
from apcli.theory import performance

log = logging.getLogger("apcli")

Tell = Callable[[str], None]

DEFAULT_DATA = "digits"
_TRACED_WEIGHTS = (
    1 << 22
)  # `--trace auto` keeps the pruned layers up to this many weights an epoch, else the last layer


class Finetuner:
    """Fine-tunes the checkpoints of a stream one after another; data and dense networks' metrics are had once.

    Args:
        tell: shown one line of progress.
    """

    def __init__(self, config: FinetuneConfig, outputs: Outputs, tell: Tell) -> None:
        self.config = config
        self.outputs = outputs
        self.tell = tell
        self.device = device_of(config.loop)
        self._datasets: dict[tuple[str, int], Dataset] = {}
        self._dense_metrics: dict[tuple[str, str], dict[str, Any]] = {}

    def finetune(self, source: Checkpoint) -> Path:
        """Fine-tune one checkpoint, write it and its trace, and return its path.

        Raises:
            UsageError: the network or its data is not known, or another file is in the way.
            ApcliError: the weights do not fit the model, or the loss is no longer finite.
            VerificationError: a zero was lost.
        """
        config = self.config
        source.check_finite([name for name, entry in source.entries.items() if entry.is_float])
        spec, dataset = self._spec_and_data(source)
        recipe = recipe_of(config.loop, spec, dataset)
        pruned = promises_of(source)
        traced = traced_layers(source, config.trace, pruned)
        own_seed = (source.lineage or {}).get("seed") or 0
        seed = own_seed if config.seed is None else config.seed
        if config.update == "pruned" and not pruned:
            raise UsageError(
                f"--update pruned: {source.label} has no pruned layer: prune it first, or use --update all"
            )
        path = self.outputs.place(source.home, f"{source.stem}.finetuned")
        home = self.outputs.home_of(path)
        settings = {**recipe.settings(), "update": config.update, "trace": config.trace, "seed": seed}
        result = lineages.make(
            "finetune",
            settings,
            source.lineage,
            model=spec.as_dict(),
            data={"name": dataset.name, "classes": dataset.classes},
            seed=own_seed,
            pruned=pruned,
            parent=source.link(home),
            dense=source.dense_link(home),
        )
        recipe_keys = ("stage", "settings", "model", "data", "parent")
        trace_is_there = not traced or traces.path_beside(path).is_file()
        if trace_is_there and self.outputs.has(path, {key: result[key] for key in recipe_keys}):
            return path
        torch.manual_seed(seed)
        model = self._network(spec, source)
        result["model"]["last"] = last_layer(model, spec)
        result["dense_metrics"] = self._dense(source, spec, dataset)
        parameters = parameters_of(model)
        before = evaluate(model, spec, dataset)
        result["history"].append({"epoch": 0, **before, "pd": performance.difference(result["dense_metrics"], before)})
        steps = {0: _snapshot(parameters, traced)}
        for entry in fit(
            model,
            spec,
            dataset,
            recipe,
            generator=torch.Generator(self.device).manual_seed(seed),
            removed={tensor: parameters[tensor].detach() == 0 for tensor in pruned},
            only=list(pruned) if config.update == "pruned" else None,
        ):
            self.tell(f"{path.name}: epoch {entry['epoch']}/{recipe.epochs}")
            result["history"].append({**entry, "pd": performance.difference(result["dense_metrics"], entry)})
            steps[entry["epoch"]] = _snapshot(parameters, traced)
        result["metrics"] = {split: result["history"][-1][split] for split in ("train", "test")}
        if traced:
            write(
                traces.path_beside(path),
                _trace_entries(steps),
                {**result, "stage": "trace", "pruned": {}, "history": []},
            )
        write(path, entries_of(model.state_dict()), result)
        _report(self.outputs.label(path), before, result["metrics"])
        return path

    def _spec_and_data(self, source: Checkpoint) -> tuple[ModelSpec, Dataset]:
        """What the command line says, else what the lineage says."""
        config, lineage = self.config, source.lineage or {}
        known = lineage.get("model")
        name = config.data.name or (lineage.get("data") or {}).get("name") or DEFAULT_DATA
        if config.data.name is None and name.startswith("folder:"):
            raise UsageError(
                f"{source.label} was trained on {name}, a folder that a file cannot name: give --data folder:PATH"
            )
        spec = None if known is None else ModelSpec.from_dict(known)
        dataset = self._dataset(name, spec.input_size[1] if spec else 0)
        if spec is None:
            if config.model is None:
                raise UsageError(f"{source.label} does not say which network it is: give --model NAME")
            spec = resolve(
                config.model,
                data_shape=dataset.shape,
                data_classes=dataset.classes,
                data_mean=dataset.mean,
                data_std=dataset.std,
            )
        if spec.num_classes < dataset.classes:
            sizes = f"{spec.num_classes} outputs and {name} {dataset.classes} classes"
            raise UsageError(f"{source.label} has {sizes}: choose other --data")
        return spec, dataset

    def _dataset(self, name: str, size: int) -> Dataset:
        if (name, size) not in self._datasets:
            self.tell(f"loading {name}")
            data = self.config.data
            loaded = load(name, Path(data.data_dir), download=data.download, size=size or None, workers=data.workers)
            self._datasets[name, size] = loaded.to(self.device)
        return self._datasets[name, size]

    def _network(self, spec: ModelSpec, checkpoint: Checkpoint) -> nn.Module:
        model = build(spec, user_model=self.config.model if spec.source == "user" else None)
        load_weights_(model, load_tensors(checkpoint), (), checkpoint.label)
        return model.to(self.device)

    def _dense(self, source: Checkpoint, spec: ModelSpec, dataset: Dataset) -> dict[str, Any]:
        """The dense ancestor's metrics, measured here, on the same data as the pruned network's; empty if unknown."""
        try:
            dense = dense_ancestor(source, self.config.dense)
        except UsageError as error:
            if self.config.dense is not None:
                raise
            log.warning("no performance difference: %s", error)
            return {}
        key = (dense.sha256, dataset.name)
        if key not in self._dense_metrics:
            self.tell(f"evaluating {dense.label}")
            self._dense_metrics[key] = evaluate(self._network(spec, dense), spec, dataset)
        return self._dense_metrics[key]


def promises_of(source: Checkpoint) -> dict[str, dict[str, Any]]:
    """The pruned tensors of a file and what is promised of each: by its lineage, else every layer that has zeros."""
    if source.lineage is not None and source.lineage["pruned"]:
        promised: dict[str, dict[str, Any]] = source.lineage["pruned"]
        return promised
    found = {}
    for layer in prunable(source):
        zeros = source.entries[layer.tensor].zeros
        if zeros:
            found[layer.tensor] = {
                "method": None,
                "scope": None,
                "seed": None,
                "requested": None,
                "actual": zeros / layer.size,
                "zeros": zeros,
                "size": layer.size,
            }
    return found


def traced_layers(source: Checkpoint, wanted: str, pruned: dict[str, Any]) -> list[Layer]:
    """The layers that ``--trace`` means: ``none``, ``auto`` (the pruned, up to a size, else the last), or a selection.

    Raises:
        UsageError: no such layer.
    """
    if wanted == "none":
        return []
    if wanted != "auto":
        return select(source, wanted)
    chosen = [layer for layer in prunable(source) if layer.tensor in pruned]
    if sum(layer.size for layer in chosen) <= _TRACED_WEIGHTS:
        return chosen
    last = ((source.lineage or {}).get("model") or {}).get("last")
    chosen = [layer for layer in prunable(source) if layer.tensor == last]
    log.warning("the pruned layers are too large to trace: traced is %s (see --trace)", listing(chosen) or "none")
    return chosen


def _snapshot(parameters: dict[str, nn.Parameter], traced: list[Layer]) -> dict[str, Entry]:
    return {layer.tensor: entry_of(parameters[layer.tensor]) for layer in traced}


def _trace_entries(steps: dict[int, dict[str, Entry]]) -> dict[str, Entry]:
    return {traces.tensor_name(name, epoch): entry for epoch, step in steps.items() for name, entry in step.items()}


def _report(label: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    log.info(
        "%s: test accuracy %.2f %% before and %.2f %% after fine-tuning",
        label,
        before["test"]["accuracy"],
        after["test"]["accuracy"],
    )

"""Histograms of the weights of networks whose files are at hand."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apcli.checkpoints.reading import read
from apcli.errors import ApcliError
from apcli.figures.study import Weights
from apcli.records.checkpoint import CheckpointRecord
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.trials import Trial

_MOST = 6  # networks
_BINS = 60
_WEIGHTS = 2_000_000  # of a network; of a larger one, every k-th is counted


def weights_of(group: Group) -> tuple[Weights, ...]:
    """For each method, the first network at its highest sparsity whose files are where their records found them."""
    made: list[Weights] = []
    for method in group.methods:
        runs = [run for run in group.runs if run.method == method]
        highest = max(runs, key=lambda run: run.sparsity or 0.0)
        shown = _shown(highest)
        made += [shown] if shown is not None else []
        if len(made) == _MOST:
            break
    return tuple(made)


def _shown(run: Run) -> Weights | None:
    for trial in run.trials:
        if trial.checkpoint is not None and trial.dense_checkpoint is not None:
            names = [
                t.name for t in trial.checkpoint.tensors if t.layer in trial.layers or (t.layer and not trial.layers)
            ]
            dense, final = (_read(record, names) for record in (trial.dense_checkpoint, trial.checkpoint))
            if dense is not None and final is not None:
                return _histogram(run, trial, dense, final)
    return None


def _read(record: CheckpointRecord, names: Sequence[str]) -> np.ndarray | None:
    """The weights of the named tensors as one vector; None if the file has changed, or lacks one of them."""
    path = Path(record.path)
    try:
        checkpoint = read(path) if os.path.isfile(path) else None
    except ApcliError:
        return None
    if checkpoint is None or checkpoint.sha256 != record.sha256 or not set(names) <= set(checkpoint.entries):
        return None
    step = -(-sum(checkpoint.entries[name].size for name in names) // _WEIGHTS) or 1
    parts = [checkpoint.entries[name].values.reshape(-1)[::step] for name in names]
    return np.concatenate(parts).astype(np.float32) if parts else None


def _histogram(run: Run, trial: Trial, dense: np.ndarray, final: np.ndarray) -> Weights:
    """Bins of one width, of which no zero is in any: half of them on either side."""
    end = float(max(np.abs(dense).max(initial=0.0), np.abs(final).max(initial=0.0))) or 1.0
    tuned = trial.accuracy("before") not in (None, trial.accuracy("pruned")) or bool(run.epochs and run.epochs[-1])
    states = {"dense": dense}
    if tuned and dense.shape == final.shape:  # fine-tuning keeps the zeros
        states["just pruned"] = np.where(final == 0, np.float32(0), dense)
    states["after fine-tuning" if tuned else "pruned"] = final
    edges = np.linspace(-end, end, _BINS + 1)
    shares = {}
    for state, weights in states.items():
        counts, _ = np.histogram(weights[weights != 0], edges)
        share = float(np.mean(weights == 0)) if weights.size else 0.0
        shares[state] = tuple(float(count) / max(weights.size, 1) for count in counts), share
    return Weights(run.method, run.sparsity, trial.name, tuple(map(float, edges)), shares)

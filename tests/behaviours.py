"""Behaviour records, and outcomes of networks, for tests."""

from dataclasses import replace

import numpy as np

from apcli.probes.outcomes import Outcomes
from apcli.records.behaviour import (
    BehaviourRecord,
    Calibration,
    CalibrationBin,
    ClassChange,
    Compared,
    Confidence,
    Confusion,
    Estimated,
    Features,
    Flips,
    LayerFeatures,
    NetworkCalibration,
    Predictions,
)
from apcli.records.exemplars import Exemplar, ExemplarsRecord
from apcli.records.overlap import LayerOverlap, OverlapRecord, PrunedFile
from apcli.records.pair import File, LayerSparsity

_DROP = Estimated(-10.0, -40.0, 20.0)
_SURE = Confidence(0.5, 0.25, Estimated(0.125, 0.0, 0.25), 0.75, 0.5, (CalibrationBin(0.75, 0.625, 8),))
RECORD = BehaviourRecord(
    model="fc5",
    data="digits",
    seed=0,
    dense=File("a.safetensors", "0" * 4),
    pruned=File("b.safetensors", "1" * 4),
    method="lowest",
    scope="layer",
    sparsity=LayerSparsity(0.5, 0.5),
    evaluated={"data": "digits", "split": "test", "images": 10},
    predictions=Predictions(
        agreement=Estimated(80.0, 44.0, 97.0),
        accuracy=Compared(70.0, 60.0, _DROP),
        top5=None,
        loss=Compared(0.5, 0.75),
        flips=Flips(6, 1, 0, 1, 2, 1.0),
        classes=(ClassChange(3, "cat", 10, 70.0, 60.0, _DROP, 1.0, 8),),
        confusion=(Confusion(3, 5, 2),),
    ),
    calibration=Calibration(
        8, 2, NetworkCalibration(1.0, _SURE, 1.5, _SURE), NetworkCalibration(0.5, _SURE, 2.0, _SURE)
    ),
    features=Features(
        8,
        4,
        (
            LayerFeatures(
                *("conv1", 0.9, 0.25, Compared(0.0, 0.5), Compared(0.0, 0.5), Compared(1.0, 0.5), Compared(0.3, 0.2)),
                *((1.0,), (1.0,)),
            ),
        ),
    ),
)
EXEMPLARS = ExemplarsRecord(
    model="fc5",
    data="digits",
    evaluated=RECORD.evaluated,
    sparsity=0.5,
    methods=("lowest", "random"),
    dense=1,
    networks=5,
    left_out=1,
    right=9,
    found=1,
    expected=0.25,
    exemplars=(Exemplar(7, 3, "cat", 4, 5, None, 1.5, "iVBORw0KGgo="),),
)
_FILES = [PrunedFile(f"{name}.safetensors", name, "0000", name, "layer", 0, None) for name in "bc"]
OVERLAP = OverlapRecord(
    model="fc5",
    data="digits",
    sparsity=0.5,
    between="methods",
    first=_FILES[0],
    second=_FILES[1],
    jaccard=0.5,
    chance=1 / 3,
    layers=(LayerOverlap("fc1", 12, 6, 6, 4, 0.5, 1 / 3),),
)


def outcome(labels, predictions, losses=None, confidences=None):
    """Outcomes of these predictions; what is not given is made up."""
    count = len(labels)
    losses = np.ones(count) if losses is None else np.asarray(losses, float)
    confidences = np.full(count, 0.5) if confidences is None else np.asarray(confidences, float)
    five = np.ones(count, bool)
    return Outcomes(
        np.asarray(labels), np.asarray(predictions), five, np.zeros(count), losses, losses, confidences, losses
    )


def behaviours_of(records, shifts=()):
    """A behaviour record for each pruned file of divergence records, and one for each shift in two severities.

    Images turn wrong as the test loss rises, and half as many more of shifted ones in severity 1, twice in severity 2.
    """
    files = {record.pruned.sha256: record for record in records if record.epoch is None}
    made = []
    for record in files.values():
        for shift, severity in [(None, None), *((shift, severity) for shift in shifts for severity in (1, 2))]:
            wrong = round(1000 * record.pd.test.loss * (1 + (severity or 0) / 2))
            made.append(behaviour_record(record, wrong, shift=shift, severity=severity))
    return made


def behaviour_record(like, wrong, cka=0.9, **about):
    """The record of a pair of files of which so many of 1000 images turn wrong, all of class 3."""
    change = Estimated(-wrong / 5, -wrong / 5 - 1, -wrong / 5 + 1)
    predictions = Predictions(
        agreement=Estimated(100 - wrong / 10, 0.0, 100.0),
        accuracy=Compared(90.0, 90.0 - wrong / 10),
        top5=None,
        loss=Compared(0.5, 0.75),
        flips=Flips(900 - wrong, wrong, 0, 0, 100, 0.5),
        classes=(
            ClassChange(3, "cat", 500, 90.0, 90 - wrong / 5, change, 0.01, 400),
            ClassChange(4, None, 500, 90.0, 90.0, Estimated(0.0), 1.0, 400),
        ),
        confusion=(),
    )
    layers = tuple(
        LayerFeatures(name, likeness, 0.25, *[Compared(0.0, 0.5)] * 4, (1.0, 0.5), (1.0, 0.25))
        for name, likeness in (("conv1", 1.0), ("fc", cka))
    )
    return replace(
        RECORD,
        **{
            name: getattr(like, name)
            for name in ("model", "data", "seed", "dense", "pruned", "method", "scope", "sparsity")
        },
        evaluated={"data": "cifar10", "split": "test", "images": 1000},
        predictions=predictions,
        features=None if about.get("shift") else Features(1000, 100, layers),
        **about,
    )

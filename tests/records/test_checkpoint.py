"""A checkpoint record as JSON: the members, in their order."""

import json

from studies import described

from apcli.checkpoints.lineage import Lineage
from apcli.records import lines
from apcli.records.checkpoint import CheckpointRecord, MacsFacts, TensorFacts

SIZES = (
    *("bytes", "dense_bytes", "numbers", "parameters", "dense_parameters", "kept"),
    *("model_sparsity", "model_density", "compression"),
)
PRUNABLE = ("prunable", "prunable_nonzero", "sparsity", "density")


def test_to_json_keeps_the_order_of_the_fields():
    lineage = Lineage.EMPTY.then("train", {"epochs": 1}, seed=3)
    tensor = TensorFacts("w", "F32", (2, 3), 6, layer="w", tied=("v",), left=None, zeros=1, nonzero=5)
    found = CheckpointRecord(
        path="a.safetensors",
        sha256="0" * 64,
        **dict.fromkeys((*SIZES, *PRUNABLE), 6),
        macs=MacsFacts((1, 2, 3), 6, 5, 0, 6, 1.2),
        macs_reason=None,
        latency=None,
        lineage=lineage.to_json(),
        tensors=(tensor,),
    )
    said = json.loads(lines.dump(found.to_json()))
    costs = ("macs", "macs_reason", "latency", "lineage", "tensors")
    assert tuple(said) == ("kind", "version", "path", "sha256", *SIZES, *PRUNABLE, *costs)
    assert (said["kind"], said["version"], said["macs"]["input_size"]) == ("checkpoint", 1, [1, 2, 3])
    assert Lineage.from_json(said["lineage"], "a.safetensors") == lineage
    assert said["tensors"] == [
        {
            "name": "w",
            "dtype": "F32",
            "shape": [2, 3],
            "size": 6,
            "layer": "w",
            "tied": ["v"],
            "left": None,
            "zeros": 1,
            "nonzero": 5,
            "promised_zeros": None,
            "macs": None,
            "nonzero_macs": None,
        }
    ]


def test_what_is_not_known_is_read_back():
    found = described("a.safetensors", "0" * 64)
    assert found.macs is found.latency is found.lineage is None
    assert list(lines.load([lines.dump(found.to_json())], "a line")) == [found]

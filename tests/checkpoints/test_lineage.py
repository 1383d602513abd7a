"""Lineage: what is inherited from stage to stage, and that nothing in a file is trusted."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from apcli.checkpoints import checkpoint, reading
from apcli.checkpoints import lineage as lineages
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError
from apcli.records import lines
from apcli.stages.describe.description import describe, to_text
from apcli.stages.divergence.stage import Divergences
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune

SCORES = {"loss": 0.1, "accuracy": 97.5, "top5": None}
LINK = {"path": "base.safetensors", "sha256": "0" * 64}
PROMISE = {
    "method": "lowest", "scope": "layer", "seed": 0, "requested": 0.5, "actual": 0.5, "zeros": 2, "size": 4
}  # fmt: skip


def trained() -> lineages.Lineage:
    made = lineages.make("train", {"epochs": 3}, None, model={"name": "fc5"}, data={"name": "digits"}, seed=4)
    return {**made, "history": [{"epoch": 1}], "metrics": {"test": SCORES}, "dense_metrics": {"test": None}}


def end_of(use: Callable[[], object]) -> str:
    """How it ends: well, or with the one error that a person is to see."""
    try:
        use()
    except ApcliError as error:
        return str(error)
    return "well"


def test_a_first_stage_knows_nothing_of_others():
    made = lineages.make("train", {"epochs": 3}, None)
    assert made["settings"] == [{"stage": "train", "epochs": 3}]
    assert all(made[key] is None for key in ("model", "data", "seed", "parent", "dense"))
    assert (made["history"], made["metrics"], made["pruned"]) == ([], {}, {})


def test_later_stages_inherit_what_stays_true():
    pruned = lineages.make("prune", {"method": "lowest"}, trained(), parent=LINK, dense=LINK, pruned={"a": PROMISE})
    tuned = lineages.make("finetune", {"epochs": 2}, pruned, parent={**LINK, "path": "p"})
    assert [step["stage"] for step in tuned["settings"]] == ["train", "prune", "finetune"]
    assert tuned["model"] == {"name": "fc5"}
    assert tuned["data"] == {"name": "digits"}
    assert (tuned["seed"], tuned["dense"], tuned["pruned"]) == (4, LINK, {"a": PROMISE})
    assert tuned["parent"]["path"] == "p"
    for measured in (pruned, tuned):  # on other weights
        assert (measured["history"], measured["metrics"], measured["dense_metrics"]) == ([], {}, {})


def test_making_one_leaves_its_origin_alone():
    origin = trained()
    before = json.dumps(origin)
    made = lineages.make("prune", {}, origin)
    made["settings"].append("more")
    made["model"]["name"] = "other"
    made["pruned"]["x"] = 1
    assert json.dumps(origin) == before


def test_only_keys_of_a_lineage():
    with pytest.raises(ValueError, match="clock"):
        lineages.make("train", {}, None, clock="noon")


def test_written_and_read_it_is_the_same():
    made = lineages.make("prune", {"sparsity": 0.1, "layers": "all", "rename": ("a", "b")}, trained(), parent=LINK)
    text = lineages.dump(made)
    assert lineages.parse(text, "f") == made
    assert made["settings"][-1]["rename"] == ["a", "b"]  # as it will be read back
    assert "\n" not in text


def spoilt(key: str, value: Any) -> str:
    return json.dumps({**lineages.make("prune", {}, trained(), pruned={"a": PROMISE}), key: value})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "not an object with a version"),
        ("null", "not an object with a version"),
        ('{"stage": "train"}', "not an object with a version"),
        ('{"version": "1"}', "not an object with a version"),
        (spoilt("version", lineages.VERSION + 1), "version 2, this apcli reads 1: update apcli"),
        (spoilt("stage", 3), "no valid 'stage'"),
        (spoilt("model", "fc5"), "no valid 'model'"),
        (spoilt("seed", "0"), "no valid 'seed'"),
        (spoilt("settings", {}), "no valid 'settings'"),
        (spoilt("history", None), "no valid 'history'"),
        (spoilt("metrics", []), "no valid 'metrics'"),
        (spoilt("pruned", None), "no valid 'pruned'"),
        (spoilt("parent", "base.safetensors"), "no valid 'parent'"),
        (spoilt("dense", {"path": "x"}), "no valid 'dense'"),
        ('{"version": 1}', "no valid 'stage'"),
    ],
)
def test_malformed(text, words):
    with pytest.raises(ApcliError, match=words) as caught:
        lineages.parse(text, "a.safetensors")
    assert "a.safetensors" in str(caught.value)


@pytest.mark.parametrize("key", sorted(trained().keys() - {"apcli"}))
def test_every_key_is_there_or_the_lineage_is_refused(key):
    lineage = trained()
    del lineage[key]
    found: dict[str, Any] = {}
    end = end_of(lambda: found.update(lineages.parse(json.dumps(lineage), "a.safetensors")))
    assert key in found or f"no valid '{key}'" in end or "an object with a version" in end


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param('{"version": ' + "9" * 6000 + "}", id="too long a number"),
        pytest.param(spoilt("pruned", {"a": 5}), id="promise no object"),
        pytest.param(spoilt("pruned", {"a": {}}), id="promise without counts"),
        pytest.param(spoilt("pruned", {"a": {**PROMISE, "zeros": "2"}}), id="zeros no number"),
        pytest.param(spoilt("pruned", {"a": {**PROMISE, "zeros": None}}), id="zeros null"),
        pytest.param(spoilt("pruned", {"a": {**PROMISE, "size": []}}), id="size no number"),
        pytest.param(spoilt("pruned", {"a": {**PROMISE, "actual": float("nan")}}), id="not a number"),
        pytest.param(spoilt("history", [1]), id="history of numbers"),
        pytest.param(spoilt("history", [{"loss": 1}]), id="history without epochs"),
        pytest.param(spoilt("settings", ["train"]), id="settings of words"),
        pytest.param(spoilt("metrics", {"test": 3}), id="metrics of numbers"),
        pytest.param(spoilt("metrics", {"test": {"loss": "low", "accuracy": 3}}), id="loss no number"),
        pytest.param(spoilt("dense_metrics", {"test": {"loss": 1}}), id="metrics without accuracy"),
        pytest.param(spoilt("dense", {"path": 5, "sha256": "0" * 64}), id="path no text"),
        pytest.param(spoilt("dense", {"path": "a\0b", "sha256": "0" * 64}), id="path with a NUL"),
        pytest.param(spoilt("seed", -1), id="seed below 0"),
        pytest.param(spoilt("seed", 2**80), id="seed too large"),
        pytest.param(spoilt("data", {"name": 3}), id="data without a name"),
    ],
)
def test_hostile(text, tmp_path):
    """What a file says of itself may be wrong in any way: every use of it ends well, or in one line."""
    path = tmp_path / "a.safetensors"
    save_file({"a": np.array([[0, 0], [1, 2]], np.float32)}, path, {"format": "pt", "apcli": text})
    uses = {
        "prune": lambda file: list(prune(file, PruneConfig((0.5,), "random"), Outputs(tmp_path / "out"))),
        "divergence": lambda file: [
            lines.dump(found.to_json()) for found in Divergences(DivergenceConfig()).records(file, file)
        ],
        "describe": lambda file: to_text(describe(file)),
        "verify": checkpoint.verify_zeros,
        "ancestor": reading.dense_ancestor,
        "prune again": lambda file: list(prune(file, PruneConfig((0.5,)), Outputs(tmp_path))),
    }
    ends = {name: end_of(lambda use=use: use(reading.read(path))) for name, use in uses.items()}
    assert not any("\n" in end for end in ends.values())
    assert "prune" in ends

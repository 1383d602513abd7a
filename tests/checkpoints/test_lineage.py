"""Lineage: what is inherited from stage to stage, what is written, and that nothing in a file is trusted."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from apcli import __version__
from apcli.checkpoints import reading, verification
from apcli.checkpoints.lineage import VERSION, Lineage
from apcli.checkpoints.network_layers import KINDS, LayerWeight, NetworkLayers
from apcli.checkpoints.promises import Link, Promise, Settings
from apcli.cli.texts.checkpoint import to_text
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError
from apcli.records import lines
from apcli.stages.describe.description import describe
from apcli.stages.divergence.stage import Divergences
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune

SCORES = {"loss": 0.1, "accuracy": 97.5, "top5": None}
BASE = Link("base.safetensors", "0" * 64)
LOWEST = Promise(2, 4, "lowest", "layer", 0, 0.5)
PROMISE = LOWEST.to_json()
LAYERS = NetworkLayers((LayerWeight("a", "linear", tied=("b",)), LayerWeight("c", "linear", through="weight norm")))


def trained() -> Lineage:
    made = Lineage.EMPTY.then("train", {"epochs": 3}, model={"name": "fc5"}, data={"name": "digits"}, seed=4)
    return replace(made, history=({"epoch": 1},), metrics={"test": SCORES}, dense_metrics={"test": None})


def end_of(use: Callable[[], object]) -> str:
    """How it ends: well, or with the one error that a person is to see."""
    try:
        use()
    except ApcliError as error:
        return str(error)
    return "well"


# ---- from stage to stage


def test_a_first_stage_knows_nothing_of_others():
    made = Lineage.EMPTY.then("train", {"epochs": 3})
    assert made.settings == (Settings("train", {"epochs": 3}),)
    assert (made.model, made.data, made.seed, made.parent, made.dense) == (None, None, None, None, None)
    assert (made.history, made.metrics, made.pruned) == ((), {}, {})
    assert made.is_known
    assert not Lineage.EMPTY.is_known


def test_later_stages_inherit_what_stays_true():
    pruned = trained().then("prune", {"method": "lowest"}, parent=BASE, dense=BASE, pruned={"a": LOWEST})
    tuned = pruned.then("finetune", {"epochs": 2}, parent=replace(BASE, path="p"))
    assert [step.stage for step in tuned.settings] == ["train", "prune", "finetune"]
    assert tuned.last_settings == Settings("finetune", {"epochs": 2})
    assert (tuned.model_name, tuned.data_name, tuned.last_layer) == ("fc5", "digits", None)
    assert (tuned.seed, tuned.dense, tuned.pruned) == (4, BASE, {"a": LOWEST})
    assert tuned.parent == Link("p", "0" * 64)
    for measured in (pruned, tuned):  # on other weights
        assert (measured.history, measured.metrics, measured.dense_metrics) == ((), {}, {})


def test_only_fields_of_a_lineage():
    with pytest.raises(TypeError, match="clock"):
        Lineage.EMPTY.then("train", {}, clock="noon")


def test_written_and_read_it_is_the_same():
    made = trained().then("prune", {"sparsity": 0.1, "layers": "all", "rename": ("a", "b")}, parent=BASE)
    text = made.to_text()
    assert Lineage.from_text(text, "f") == made
    assert made.last_settings.options["rename"] == ["a", "b"]  # as it will be read back
    assert "\n" not in text


# ---- the same run


def test_the_same_run():
    wanted = trained().then("prune", {"sparsity": 0.5}, parent=BASE)
    found = replace(wanted, model={"name": "fc5", "last": "a"}, pruned={"a": LOWEST}, metrics={"test": SCORES})
    assert found.made_as(wanted)
    assert not wanted.made_as(found)  # it does not know its last layer, nor its metrics


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "finetune"},
        {"settings": ()},
        {"model": {"name": "fc12"}},
        {"data": None},
        {"seed": 5},
        {"parent": Link("base.safetensors", "1" * 64)},
        {"metrics": {"test": {**SCORES, "loss": 0.2}}},
        {"history": ({"epoch": 1}, {"epoch": 2})},
    ],
)
def test_another_run(change):
    assert not trained().made_as(replace(trained(), **change))


@pytest.mark.parametrize("more", [{"part": 100}, {"exif_orientation": True}, {"of_a_later_apcli": 1}])
def test_other_images_of_one_name_are_another_run_either_way(more):
    """A model's description may know more, as its last layer; a part of a set's images is not the set."""
    whole = replace(trained(), data={"name": "digits", "classes": 10, "images": [1442, 355]})
    part = replace(whole, data={**whole.data, **more})
    ((key, value),) = more.items()
    assert part.difference(whole) == f"data {key} {str(value).lower()} → not recorded"
    assert whole.difference(part) == f"data {key} not recorded → {str(value).lower()}"


@pytest.mark.parametrize("data", [{"name": "digits", "part": -1}, {"name": "digits", "exif_orientation": "yes"}, {}])
def test_data_of_another_shape_are_refused(data):
    with pytest.raises(ApcliError, match="no valid 'data'"):
        Lineage.from_json({**trained().to_json(), "data": data}, "f")


def test_which_setting_differs_is_said():
    """The first stage that has another comes before model, data and files, which follow from it."""
    first = trained().then("prune", {"sparsity": 0.5, "layers": {"fc": 0.1}}, parent=BASE)

    def differs(**options: object) -> str:
        return first.difference(trained().then("prune", {**first.last_settings.options, **options}, parent=BASE))

    assert differs() == ""
    assert differs(sparsity=0.6) == "sparsity 0.5 → 0.6"
    assert differs(layers={"fc": 0.2}) == "layers fc 0.1 → 0.2"
    assert differs(layers={}) == "layers fc 0.1 → not recorded"  # one setting less is another setting
    assert differs(rewind_to="f" * 64) == f"rewind_to not recorded → {'f' * 39}…"
    longer = replace(trained(), settings=(Settings("train", {"epochs": 7}),), parent=BASE)
    longer = longer.then("prune", first.last_settings.options)
    assert first.difference(longer).startswith("train’s epochs ")
    again = replace(first, parent=replace(BASE, sha256="1" * 64))
    assert first.difference(again) == f"{BASE.path} is another file now"
    assert first.difference(replace(first, parent=replace(BASE, path="p"))) == f"parent path {BASE.path} → p"
    assert replace(again, apcli="0.1.0").difference(first) == f"{BASE.path} is another file now; it is of apcli 0.1.0"


def test_a_trace_is_of_the_run_that_made_its_checkpoint():
    tuned = replace(trained().then("finetune", {}, pruned={"a": LOWEST}), history=({"epoch": 1},), layers=LAYERS)
    trace = tuned.of_trace()
    assert (trace.stage, trace.layers, trace.pruned, trace.history) == ("trace", None, {}, ())
    assert trace.made_as(tuned.of_trace())
    assert not tuned.made_as(trace)


# ---- what is written

HEAD = f'{{"version":1,"apcli":"{__version__}","stage":'
MODEL = '"model":{"name":"fc5"},"data":{"name":"digits"},"classes":null,"seed":4,'
PINNED = {
    "train": '"train",' + MODEL + '"layers":{"weights":{"linear":["a","c"]},"tied":{"a":["b"]},'
    '"through":{"weight norm":["c"]}},"dense":null,"settings":[{"stage":"train","epochs":3}],"history":[{"epoch":1}],'
    '"metrics":{"test":{"loss":0.1,"accuracy":97.5,"top5":null}},"dense_metrics":{"test":null},"pruned":{},"kept":{},'
    '"storage":{},"parent":null}',
    "prune": '"prune",' + MODEL + '"layers":null,"dense":{"path":"base.safetensors","sha256":"00"},'
    '"settings":[{"stage":"train","epochs":3},{"stage":"prune","sparsity":0.5}],"history":[],"metrics":{},'
    '"dense_metrics":{},"pruned":{"a":{"method":"lowest","scope":"layer","seed":0,"requested":0.5,"actual":0.5,"zeros":2,'
    '"size":4}},"kept":{"a":{"0":"1-2"}},"storage":{"a":{"dtype":"F32","shape":[4]}},'
    '"parent":{"path":"base.safetensors","sha256":"00"}}',
    "finetune": '"finetune",' + MODEL + '"layers":null,"dense":{"path":"base.safetensors","sha256":"00"},'
    '"settings":[{"stage":"train","epochs":3},{"stage":"prune","sparsity":0.5},{"stage":"finetune"}],"history":[{"epoch":0}],'
    '"metrics":{"test":{"loss":0.1,"accuracy":97.5,"top5":null}},"dense_metrics":{},"pruned":{"a":{"method":"lowest",'
    '"scope":"layer","seed":0,"requested":0.5,"actual":0.5,"zeros":2,"size":4}},"kept":{"a":{"0":"1-2"}},"storage":{},'
    '"parent":{"path":null,"sha256":"11"}}',
    "trace": '"trace",' + MODEL + '"layers":null,"dense":{"path":"base.safetensors","sha256":"00"},'
    '"settings":[{"stage":"train","epochs":3},{"stage":"prune","sparsity":0.5},{"stage":"finetune"}],"history":[],'
    '"metrics":{"test":{"loss":0.1,"accuracy":97.5,"top5":null}},"dense_metrics":{},"pruned":{},"kept":{"a":{"0":"1-2"}},'
    '"storage":{},"parent":{"path":null,"sha256":"11"}}',
}  # fmt: skip


@pytest.mark.parametrize("stage", PINNED)
def test_the_text_of_each_stage(stage):
    """Files carry it: a key, its place or its spelling is changed only with the version."""
    base = Link("base.safetensors", "00")
    made = {"train": replace(trained(), layers=LAYERS)}
    pruned = trained().then("prune", {"sparsity": 0.5}, dense=base, parent=base, pruned={"a": LOWEST})
    packed = {"a": {"dtype": "F32", "shape": [4]}}
    made["prune"] = replace(pruned, kept={"a": {"0": "1-2"}}, storage=packed)
    tuned = made["prune"].then("finetune", {}, parent=Link(None, "11"))
    made["finetune"] = replace(tuned, history=({"epoch": 0},), metrics={"test": SCORES})
    made["trace"] = made["finetune"].of_trace()
    assert made[stage].to_text() == HEAD + PINNED[stage]


names = st.text(max_size=4)
counts = st.integers(0, 2**40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(names, values, max_size=2)
unknown = st.dictionaries(names.map("later {}".format), values, max_size=2)
shares = st.none() | st.floats(0, 1)
scores = st.fixed_dictionaries({"loss": shares, "accuracy": shares})
metrics = st.dictionaries(st.sampled_from(["train", "test"]), st.none() | scores)
links = st.none() | st.builds(Link, st.none() | names.map("p{}".format).filter(lambda p: "\0" not in p), names, unknown)
drawn = st.builds(Promise, counts, counts, st.none() | names, st.none() | names, st.none() | counts, shares, unknown)
promises = drawn.map(lambda promise: replace(promise, size=promise.zeros + promise.size))
layers = st.lists(st.tuples(names, st.sampled_from(KINDS)), unique_by=lambda pair: pair[0], max_size=4).map(
    lambda pairs: NetworkLayers(tuple(LayerWeight(*pair) for pair in sorted(pairs, key=lambda pair: pair[1])))
)
lineages = st.builds(
    Lineage,
    version=st.just(VERSION),
    apcli=st.none() | names,
    stage=names.filter(bool),
    model=st.none() | st.fixed_dictionaries({"name": names}, optional={"last": names, "source": values}),
    data=st.none() | st.fixed_dictionaries({"name": names}, optional={"classes": values}),
    classes=st.lists(names, unique=True, max_size=3).map(tuple),
    seed=st.none() | st.integers(0, 2**32 - 1),
    layers=st.none() | layers,
    dense=links,
    settings=st.lists(st.builds(Settings, st.none() | names, objects), max_size=3).map(tuple),
    history=st.lists(st.fixed_dictionaries({"epoch": counts}, optional={"test": scores}), max_size=3).map(tuple),
    metrics=metrics,
    dense_metrics=metrics,
    pruned=st.dictionaries(names, promises, max_size=2),
    kept=st.dictionaries(names, st.dictionaries(names, names, max_size=2), max_size=2),
    storage=st.dictionaries(
        names, st.fixed_dictionaries({"dtype": names, "shape": st.lists(counts, max_size=2)}), max_size=2
    ),
    parent=links,
    unknown=unknown,
)


@pytest.mark.slow
@given(lineages)
@settings(max_examples=60, deadline=None)
def test_read_back_it_is_equal(lineage):
    """Keys of a later apcli too."""
    assert Lineage.from_json(lineage.to_json(), "f") == lineage
    assert Lineage.from_text(lineage.to_text(), "f") == lineage


# ---- what is read


def spoilt(key: str, value: Any) -> str:
    return json.dumps({**trained().then("prune", {}, pruned={"a": LOWEST}).to_json(), key: value})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "not an object with a version"),
        ("null", "not an object with a version"),
        ('{"stage": "train"}', "not an object with a version"),
        ('{"version": "1"}', "not an object with a version"),
        (spoilt("version", VERSION + 1), "version 2, this apcli reads 1: update apcli"),
        (spoilt("apcli", 3), "no valid 'apcli'"),
        (spoilt("stage", 3), "no valid 'stage'"),
        (spoilt("stage", ""), "no valid 'stage'"),
        (spoilt("model", "fc5"), "no valid 'model'"),
        (spoilt("model", {"name": "fc5", "last": 5}), "no valid 'model'"),
        (spoilt("classes", ["a", "a"]), "no valid 'classes'"),
        (spoilt("layers", {"weights": {"linear": ["a", "a"]}}), "no valid 'layers'"),
        (spoilt("seed", "0"), "no valid 'seed'"),
        (spoilt("settings", {}), "no valid 'settings'"),
        (spoilt("history", None), "no valid 'history'"),
        (spoilt("metrics", []), "no valid 'metrics'"),
        (spoilt("pruned", None), "no valid 'pruned'"),
        (spoilt("parent", "base.safetensors"), "no valid 'parent'"),
        (spoilt("dense", {"path": "x"}), "no valid 'dense'"),
        ('{"version": 1}', "no valid 'stage'"),
        ('{"version": 1, "new": -1e999}', "not JSON (-1e999 is larger than any number"),
    ],
)
def test_malformed(text, words):
    with pytest.raises(ApcliError, match=re.escape(words)) as caught:
        Lineage.from_text(text, "a.safetensors")
    assert "a.safetensors" in str(caught.value)


@pytest.mark.parametrize("key", sorted(trained().to_json()))
def test_every_key_is_there_or_the_lineage_is_refused(key):
    """But for those that files of an earlier apcli do not have."""
    lineage = trained().to_json()
    del lineage[key]
    end = end_of(lambda: Lineage.from_json(lineage, "a.safetensors"))
    if key in ("apcli", "classes", "layers", "kept", "storage"):
        assert end == "well"
    else:
        assert f"no valid '{key}'" in end or "an object with a version" in end


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
        pytest.param(spoilt("settings", [{"stage": 3}]), id="settings of a number"),
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
        "verify": verification.verify_zeros,
        "ancestor": reading.dense_ancestor,
        "prune again": lambda file: list(prune(file, PruneConfig((0.5,)), Outputs(tmp_path))),
    }
    ends = {name: end_of(lambda use=use: use(reading.read(path))) for name, use in uses.items()}
    assert not any("\n" in end for end in ends.values())
    assert "prune" in ends

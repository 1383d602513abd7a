"""Which tensors are layers: on the names that real networks use, and what each option selects."""

from pathlib import Path

import numpy as np
import pytest

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer, census, check_tied, layer_name, prunable, select, summary
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.network_layers import EMBEDDING, LINEAR, LayerWeight, NetworkLayers
from apcli.errors import UsageError, VerificationError


def checkpoint(
    shapes: dict[str, tuple[int, ...]],
    last: str | None = None,
    dtype: str = "F32",
    layers: NetworkLayers | None = None,
) -> Checkpoint:
    entries = {name: Entry(dtype, shape, np.zeros(4 * int(np.prod(shape)), np.uint8)) for name, shape in shapes.items()}
    lineage = Lineage(stage="train", model={"name": "net", "last": last}) if last else Lineage.EMPTY
    return Checkpoint(Path("net.safetensors"), Path(), entries, lineage, built_layers=layers)


NET = {
    "conv.weight": (4, 3, 3, 3),
    "conv.bias": (4,),
    "block.0.fc.weight": (5, 4),
    "block.1.fc.weight": (5, 5),
    "block.norm.weight": (1, 5),
    "head.weight": (10, 5),
}


def test_layers_keep_the_order_of_the_file_and_say_their_size():
    layers = prunable(checkpoint(NET))
    assert [layer.name for layer in layers] == ["conv", "block.0.fc", "block.1.fc", "head"]
    assert [layer.tensor for layer in layers] == [f"{layer.name}.weight" for layer in layers]
    assert [layer.size for layer in layers] == [108, 20, 25, 50]
    assert layer_name("a.in_proj_weight") == "a.in_proj_weight"


def test_whole_numbers_are_no_weights():
    assert prunable(checkpoint(NET, dtype="I32")) == []
    with pytest.raises(UsageError, match=r"net\.safetensors has no prunable layer"):
        select(checkpoint(NET, dtype="I32"), "all")


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ("all", None, "conv block.0.fc block.1.fc head"),
        ("last", None, "head"),
        ("head,conv", None, "conv head"),
        ("head, head.weight", None, "head"),
        ("block.*", None, "block.0.fc block.1.fc"),
        ("*.weight", None, "conv block.0.fc block.1.fc head"),
        ("block.[!0]*", None, "block.1.fc"),
        ("all", "last", "conv block.0.fc block.1.fc"),
        ("all", "block.*,conv", "head"),
        ("block.*", "head", "block.0.fc block.1.fc"),
    ],
)
def test_selection(include, exclude, expected):
    found = select(checkpoint(NET, last="head.weight"), include, exclude)
    assert [layer.name for layer in found] == expected.split()


@pytest.mark.parametrize(
    ("include", "exclude", "words"),
    [
        ("tail", None, r"--layers tail: no such layer in net\.safetensors: it has conv, block\.0\.fc, .*head"),
        ("conv,Head", None, "--layers Head: no such layer"),
        ("all", "tail*", r"--exclude tail\*: no such layer"),
        ("conv.bias", None, "no such layer"),
        ("conv", "c*", r"--exclude c\* leaves no layer of --layers conv"),
        ("attn.bias", None, r"no such layer in net\.safetensors: it has conv"),
        ("conv,", None, "empty layer"),
    ],
)
def test_what_selects_nothing(include, exclude, words):
    with pytest.raises(UsageError, match=words):
        select(checkpoint(NET, last="head.weight"), include, exclude)


def test_last_is_never_guessed():
    for unknown in (checkpoint(NET), checkpoint(NET, last="gone.weight")):
        for options in (("last", None), ("all", "last")):
            with pytest.raises(UsageError, match=r"does not say which layer is last: name one of conv, .*head"):
                select(unknown, *options)
    only = checkpoint({"fc.weight": (2, 2), "fc.bias": (2,), "norm.weight": (2, 2)})
    assert [layer.name for layer in select(only, "last")] == ["fc"]


def test_a_name_is_a_name_even_where_it_looks_like_a_glob():
    names = {"mix[0].weight": (2, 2), "mix0.weight": (2, 2)}
    assert "mix[0]" in [layer.name for layer in select(checkpoint(names), "mix[0]")]


# A network whose modules tell more than its names: tied weights, an embedding, a table and a weight norm.
BUILT = NetworkLayers(
    (
        LayerWeight("tokens.weight", EMBEDDING),
        LayerWeight("mix", LINEAR),
        LayerWeight("a.weight", LINEAR, tied=("b.weight",)),
        LayerWeight("n.parametrizations.weight.original1", LINEAR, through="weight norm"),
        LayerWeight("q.parametrizations.weight.original", LINEAR, refused="made into an orthogonal matrix"),
    )
)
SHAPES = {
    "b.weight": (4, 4),
    "tokens.weight": (9, 4),
    "mix": (4, 4),
    "a.weight": (4, 4),
    "n.parametrizations.weight.original0": (4, 1),
    "n.parametrizations.weight.original1": (4, 4),
    "q.parametrizations.weight.original": (4, 4),
    "coords_table": (1, 4, 2),
    "plain.weight": (4, 4),
}


def test_the_modules_decide_where_they_are_known():
    known = census(checkpoint(SHAPES, layers=BUILT))
    assert [(layer.name, layer.tensor) for layer in known.layers] == [
        ("mix", "mix"),
        ("a", "a.weight"),
        ("n", "n.parametrizations.weight.original1"),
    ]
    assert known.layers[1].tied == ("b.weight",)
    assert known.left == {
        "b.weight": "other names of tied weights",
        "tokens.weight": "embeddings",
        "n.parametrizations.weight.original0": "tensors from which torch.nn.utils.parametrize computes weights",
        "coords_table": "position tables",
        "plain.weight": "parameters that no layer multiplies by",
    }
    assert known.refused == {"q.parametrizations.weight.original": "made into an orthogonal matrix"}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ("a", None, "a"),
        ("b", None, "a"),
        ("a,b.weight", None, "a"),
        ("n", None, "n"),
        ("tokens", None, "tokens"),
        ("t*", None, "tokens"),
        ("all,tokens", "q", "tokens mix a n"),
        ("all", "q,b", "mix n"),
    ],
)
def test_one_layer_for_each_parameter(include, exclude, expected):
    """Whichever of its names an option uses; embeddings only by theirs."""
    assert [x.name for x in select(checkpoint(SHAPES, layers=BUILT), include, exclude)] == expected.split()


def test_what_no_zero_can_reach_is_refused_unless_left_out():
    built = checkpoint(SHAPES, layers=BUILT)
    for include in ("all", "q", "q.parametrizations*"):
        with pytest.raises(
            UsageError, match=r"q cannot be pruned: .* orthogonal matrix.*leave it out with --exclude q$"
        ):
            select(built, include)
    with pytest.raises(UsageError, match=r"coords_table is one of its position tables\): it has mix, a and n"):
        select(built, "coords_table")


def test_last_may_be_called_by_another_name():
    built = checkpoint({"a.weight": (4, 4), "b.weight": (4, 4), "mix": (4, 4)}, last="b.weight", layers=BUILT)
    assert [x.name for x in select(built, "last")] == ["a"]
    alone = checkpoint({"b.weight": (4, 4), "mix": (4, 4)}, layers=BUILT)  # a file that keeps one of the names
    assert [(x.name, x.tied) for x in prunable(alone)] == [("b", ()), ("mix", ())]


def test_names_of_one_parameter_have_the_same_zeros():
    rows = {"a.weight": [0.0, 1.0, -0.0, 2.0], "b.weight": [-0.0, 3.0, 0.0, 4.0]}
    entries = {n: Entry("F32", (2, 2), np.array(v, np.float32).view(np.uint8)) for n, v in rows.items()}
    layer = Layer("a", "a.weight", (2, 2), tied=("b.weight",))
    check_tied(Checkpoint(Path("net"), Path(), entries), [layer])
    entries["b.weight"] = Entry("F32", (2, 2), np.array([1.0, 0, 0, 4], np.float32).view(np.uint8))
    with pytest.raises(VerificationError, match=r"a\.weight and b\.weight are one parameter .* prune its dense file"):
        check_tied(Checkpoint(Path("net"), Path(), entries), [layer])
    entries["b.weight"] = Entry("F32", (4,), np.zeros(16, np.uint8))
    with pytest.raises(VerificationError):
        check_tied(Checkpoint(Path("net"), Path(), entries), [layer])


def test_a_file_of_parts_is_refused_but_for_the_layers_that_are_named():
    shapes = {"0.weight_orig": (4, 4), "0.weight_mask": (4, 4), "head.weight": (3, 4)}
    with pytest.raises(UsageError, match=r"net\.safetensors has weights and masks of torch\.nn\.utils\.prune \(0\.wei"):
        select(checkpoint(shapes), "all")
    with pytest.raises(UsageError, match=r"prune\.remove\(module, 'weight'\).*or select others with --layers: head"):
        select(checkpoint(shapes), "0*")
    for include, exclude in (("head", None), ("all", "0.*")):
        assert [x.name for x in select(checkpoint(shapes), include, exclude)] == ["head"]


def test_what_names_leave_alone_can_be_asked_for():
    bare = checkpoint({**NET, "out.weight": (1, 5), "table": (4, 4)})
    assert "out" not in [x.name for x in select(bare, "all")]
    assert [x.name for x in select(bare, "out,table")] == ["out", "table"]
    assert summary(census(bare).left) == (
        "norms (1), vectors (all extents 1 but one) (1) and constants and statistics (1)"
    )
    with pytest.raises(UsageError, match=r"no prunable layer: .*; left alone: position tables \(1\); select"):
        select(checkpoint({"pos_embed": (4, 4)}), "all")

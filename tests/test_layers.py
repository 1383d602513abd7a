"""Which tensors are layers: on the names that real networks use, and what each option selects."""

from pathlib import Path

import numpy as np
import pytest

from apcli.checkpoints import Checkpoint
from apcli.entries import Entry
from apcli.errors import UsageError
from apcli.layers import is_prunable, layer_name, prunable, select

PRUNABLE = [
    "fc.weight",
    "classifier.6.weight",
    "conv1.weight",
    "layer3.0.downsample.0.weight",
    "features.0.0.weight",
    "patch_embed.proj.weight",
    "blocks.0.attn.qkv.weight",
    "encoder.layers.encoder_layer_0.self_attention.in_proj_weight",
    "stages.0.blocks.0.conv_dw.weight",
    "head.fc.weight",
    "lm_head.weight",
    "weight",
    "mlp_tokens.fc1.weight",
]
NOT_PRUNABLE = [
    "pos_embed",
    "cls_token",
    "encoder.pos_embedding",
    "class_token",
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "transformer.wte.weight",
    "transformer.wpe.weight",
    "model.embed_tokens.weight",
    "features.1.0.block.attn.relative_position_bias_table",
    "relative_position_index",
    "norm1.weight",
    "encoder.layer.0.layernorm_before.weight",
    "ln_f.weight",
    "bn1.weight",
    "stem.bn.weight",
    "head.norm.weight",
    "gamma",
    "layer_scale.weight",
    "bn1.running_mean",
    "logit_scale",
]


def checkpoint(shapes: dict[str, tuple[int, ...]], last: str | None = None, dtype: str = "F32") -> Checkpoint:
    entries = {name: Entry(dtype, shape, np.zeros(4 * int(np.prod(shape)), np.uint8)) for name, shape in shapes.items()}
    lineage = None if last is None else {"model": {"last": last}}
    return Checkpoint(Path("net.safetensors"), Path(), entries, lineage)


NET = {
    "conv.weight": (4, 3, 3, 3),
    "conv.bias": (4,),
    "block.0.fc.weight": (5, 4),
    "block.1.fc.weight": (5, 5),
    "block.norm.weight": (1, 5),
    "head.weight": (10, 5),
}


@pytest.mark.parametrize("tensor", PRUNABLE)
def test_weights_are_prunable(tensor):
    assert is_prunable(tensor, 2)
    assert not is_prunable(tensor, 1)


@pytest.mark.parametrize("tensor", NOT_PRUNABLE)
def test_norms_and_embeddings_are_not(tensor):
    assert not is_prunable(tensor, 2)
    assert not is_prunable(tensor, 3)


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
    only = checkpoint({"fc.weight": (2, 2), "fc.bias": (2,)})
    assert [layer.name for layer in select(only, "last")] == ["fc"]


def test_a_name_is_a_name_even_where_it_looks_like_a_glob():
    names = {"mix[0].weight": (2, 2), "mix0.weight": (2, 2)}
    assert "mix[0]" in [layer.name for layer in select(checkpoint(names), "mix[0]")]

"""What tensors are by name and shape: on the names that real networks and file formats use."""

import pytest

from apcli.checkpoints.tensor_names import FORMATS, Judgement, judge, remedy_of

LAYERS = [
    *("fc.weight", "classifier.6.weight", "layer3.0.downsample.0.weight", "features.0.0.weight", "head.fc.weight"),
    *("blocks.0.attn.qkv.weight", "encoder.layers.encoder_layer_0.self_attention.in_proj_weight", "lm_head.weight"),
    *("weight", "mlp_tokens.fc1.weight", "stages.0.1.linear_tokens.weight", "q.token_projection.weight"),
    *("blocks.0.attn.pos_proj.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l1_reverse", "text_projection"),
    *(
        "attention.self.query.weight",
        "experts.gate_up_proj",
        "features.1.1.attn.cpb_mlp.0.weight",
    ),
    *("mask_head.conv1.weight", "to_mean.weight", "q_proj_weight", "attn.norm_proj.weight", "block.w1"),
]
EMBEDDINGS = [
    *("embeddings.word_embeddings.weight", "transformer.wte.weight", "transformer.wpe.weight", "shared.weight"),
    *("model.embed_tokens.weight", "embeddings.position_embeddings.weight", "decoder.embed_tokens.0.weight"),
]
OTHERS = {
    "position tables": [
        *("pos_embed", "encoder.pos_embedding", "features.1.0.attn.relative_coords_table", "attn.height_rel"),
        *("relative_position_index", "attn.rel_pos_h", "rope.freqs"),
    ],
    "biases": [
        *("attn.relative_position_bias_table", "block.relative_attention_bias.weight", "attention_biases"),
        *("attn.bias_k", "attn.bias"),
    ],
    "tokens and queries": ["cls_token", "class_token", "latent", "attn.query"],
    "norms": [
        *("norm1.weight", "encoder.layer.0.layernorm_before.weight", "ln_f.weight", "bn1.weight", "stem.bn.weight"),
        *("head.norm.weight", "fc_norm.weight", "norm_out.weight"),
    ],
    "gains and scales": [
        "gamma",
        "layer_scale.weight",
        "logit_scale",
        "conv1.gain",
        "blocks.0.alpha",
        "ls1",
        "temperature",
    ],
    "masks": ["attn_mask", "mask"],
    "constants and statistics": ["bn1.running_mean", "table"],
    "embeddings": ["class_embedding", "codebook"],
    "parameters without a weight's name": ["mixer.A_log", "attn.w_g", "p"],
}


@pytest.mark.parametrize("name", LAYERS)
def test_weights(name):
    assert judge({name: ("F32", (8, 8))})[name].judgement is Judgement.LAYER
    assert judge({name: ("F32", (8,))})[name].judgement is Judgement.LEFT
    one = judge({name: ("BF16", (8, 1, 1))})[name]
    assert (one.judgement, one.reason) == (Judgement.LEFT, "vectors (all extents 1 but one)")
    whole = judge({name: ("I8", (8, 8))})[name]
    assert (whole.judgement, whole.reason) == (Judgement.LEFT, "tensors of a type that is not pruned")


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_embeddings(name):
    assert judge({name: ("F16", (8, 8))})[name].judgement is Judgement.EMBEDDING


@pytest.mark.parametrize(("reason", "name"), [(reason, name) for reason, names in OTHERS.items() for name in names])
def test_what_is_left_alone(reason, name):
    verdict = judge({name: ("F32", (8, 8))})[name]
    assert (verdict.judgement, verdict.reason) == (Judgement.LEFT, reason)


def test_what_is_called_an_embedding_but_has_the_shape_of_a_convolution_is_one():
    found = judge({"patch_embed.weight": ("F32", (8, 3, 4, 4)), "embed.weight": ("F32", (8, 3))})
    assert [verdict.judgement for verdict in found.values()] == [Judgement.LAYER, Judgement.EMBEDDING]


def test_a_bias_beside_it_makes_a_weight_of_a_table():
    found = judge({"embed.weight": ("F32", (8, 3)), "embed.bias": ("F32", (8,))})
    assert found["embed.weight"].judgement is Judgement.LAYER
    found = judge({"embed.weight": ("F32", (8, 3)), "embed.bias": ("F32", (5,))})
    assert found["embed.weight"].judgement is Judgement.EMBEDDING
    found = judge({"time_embed.0.weight": ("F32", (8, 3)), "time_embed.0.bias": ("F32", (8,))})
    assert found["time_embed.0.weight"].judgement is Judgement.LAYER


HALF, WHOLE, BYTE = "F16", "I32", "U8"
FILES = {
    "GPTQ or AWQ": {"q.qweight": WHOLE, "q.qzeros": WHOLE, "q.g_idx": WHOLE, "q.scales": HALF},
    "bitsandbytes": {"q.weight": BYTE, "q.weight.absmax": "F32", "q.weight.quant_map": "F32"},
    "by bitsandbytes": {"q.weight": "I8", "q.SCB": "F32"},
    "HQQ": {"q.W_q": BYTE, "q.scale": HALF, "q.zero": HALF},
    "quanto": {"q.weight._data": "I8", "q.weight._scale": HALF},
    "quantised weights": {"q.weight_packed": WHOLE, "q.weight_scale": HALF, "q.weight_shape": "I64"},
    "quantised weights:": {"q.weight": "I8", "q.weight_scale": HALF},
    "quantised weights::": {"q.weight": "F8_E4M3", "q.weight_scale_inv": "F32"},
    "torch.nn.utils.prune": dict.fromkeys(["q.weight_orig", "q.weight_mask", "q.bias_orig", "q.bias_mask"], "F32"),
    "spectral_norm": {"q.weight_orig": "F32", "q.weight_u": "F32", "q.weight_v": "F32"},
    "torch.nn.utils.weight_norm": {"q.weight_g": "F32", "q.weight_v": "F32"},
    "parametrize": {
        "q.parametrizations.weight.original0": "F32",
        "q.parametrizations.weight.original1": "F32",
        "q.parametrizations.weight.0.base": "F32",
    },
    "adapters": {
        "q.lora_down.weight": HALF,
        "q.lora_up.weight": HALF,
        "base_model.model.q.lora_A.default.weight": HALF,
        "q.hada_w1_a": HALF,
        "q.lokr_w2": HALF,
    },
}


@pytest.mark.parametrize("kind", FILES)
def test_parts_of_weights_are_refused_and_plain_layers_beside_them_are_not(kind):
    named = {name: (dtype, (8, 8)) for name, dtype in FILES[kind].items()}
    beside = {"head.weight": ("F16", (8, 8)), "head.scales": ("F16", (8, 8)), "out.weight_v": ("F16", (8, 8))}
    found = judge({**named, **beside})
    assert {found[name].judgement for name in named} == {Judgement.REFUSED}
    assert kind.rstrip(":") in found[next(iter(named))].reason
    assert remedy_of(found[next(iter(named))].reason)
    assert found["head.weight"].judgement is Judgement.LAYER
    assert {found["head.scales"].judgement, found["out.weight_v"].judgement} == {Judgement.LEFT}


def test_every_format_has_words_of_its_own_and_says_what_to_do():
    assert all(form.reason and form.remedy for form in FORMATS)

"""What a tensor of a stranger's file is, by name, shape and type alone: a layer's weight, or why it is none.

The rule is strict: in doubt a tensor is left alone, because zeros in a table, a gain or a scale break a network. Files
whose tensors are not the weights that the network multiplies by, but what those are made of (quantised, parametrised,
masked, adapters), are refused: the message says what they are and what to do. Standard library only.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

FLOATS = ("F64", "F32", "F16", "BF16")
Tensors = Mapping[str, tuple[str, tuple[int, ...]]]  # by name: safetensors dtype and shape


class Judgement(Enum):
    """What a tensor can be."""

    LAYER = "a layer's weight"
    EMBEDDING = "an embedding's weight"
    LEFT = "no layer's weight"
    REFUSED = "a part that a layer's weight is made of"


@dataclass(frozen=True)
class Verdict:
    """What a tensor is, and what those of its kind are called (``position tables``); empty of a layer's weight."""

    judgement: Judgement
    reason: str = ""


@dataclass(frozen=True)
class Format:
    """A way to store a weight in several tensors.

    Attributes:
        member: a pattern of the name of each; ``stem`` is what they have in common.
        witnesses: what has to be there, by name, so that a member is one.
        reason: what the members are.
        remedy: how to get plain weights.
    """

    member: str
    witnesses: tuple[str, ...]
    reason: str
    remedy: str


def _format(own: str, parts: str, witnesses: tuple[str, ...], reason: str, remedy: str) -> Format:
    """``own``: what of the tensor's own name belongs to the stem; ``parts``: what follows the stem."""
    return Format(rf"(?P<stem>(?:.*\.)?{own})(?:{parts})", witnesses, reason, remedy)


_TAKE_PLAIN = "take the model in float16 or float32, or dequantise it with the library that quantised it"
_ADAPTER = (
    r"(?:lora_(?:down|up|mid|A|B|embedding_[AB]|magnitude_vector)|(?:hada|lokr)_[wt]\d(?:_[ab])?|oft_blocks|oft_R)"
)
FORMATS = (
    _format("", "qweight|qzeros|scales|g_idx", ("{stem}qweight",), "weights quantised as by GPTQ or AWQ", _TAKE_PLAIN),
    _format("", "weight|SCB|weight_format", ("{stem}SCB",), "weights quantised by bitsandbytes", _TAKE_PLAIN),
    _format("", "W_q|scale|zero|meta", ("{stem}W_q",), "weights quantised by HQQ", _TAKE_PLAIN),
    *(
        _format(r"\w*weight", f"|{parts}", (f"{{stem}}{witness}",), f"quantised weights{library}", _TAKE_PLAIN)
        for witness, parts, library in (
            (".absmax", r"\..*", " of bitsandbytes"),
            ("._data", r"\._\w+", " of quanto"),
            ("_packed", r"_\w+", ""),
            ("_scale", r"_(?:scale|zero_point|shape|g_idx)", ""),
            ("_scale_inv", "_scale_inv", ""),
        )
    ),
    _format(
        r"\w+",
        "_orig|_mask",
        ("{stem}_orig", "{stem}_mask"),
        "weights and masks of torch.nn.utils.prune",
        "make the masks permanent with torch.nn.utils.prune.remove(module, 'weight') and save again, or give --model",
    ),
    _format(
        r"\w+",
        "_orig|_u|_v",
        ("{stem}_orig", "{stem}_u"),
        "weights that torch.nn.utils.spectral_norm divides",
        "take that off with torch.nn.utils.remove_spectral_norm and save again, or give --model",
    ),
    _format(
        r"\w+",
        "_g|_v",
        ("{stem}_g", "{stem}_v"),
        "lengths and directions of torch.nn.utils.weight_norm",
        "take that off with torch.nn.utils.remove_weight_norm and save again, or give --model",
    ),
    _format(
        "",
        r"parametrizations\.\w+\..*",
        (),
        "tensors that torch.nn.utils.parametrize makes weights of",
        "take that off with torch.nn.utils.parametrize.remove_parametrizations and save again, or give --model",
    ),
    _format(
        "",
        rf"{_ADAPTER}(?:\..*)?",
        (),
        "factors of adapters (LoRA and the like), whose products are added to a model's weights",
        "merge them into their model (peft: merge_and_unload), and prune that",
    ),
)

# Patterns are compiled when a file first asks for them: that takes as long as reading a small one.
# The parameter's own name: what a weight is called, where a raw parameter of a module is one too (CLIP's ``proj``).
_WEIGHT = r"(?:\w+_)?(?:weight|kernel|proj|projection)|weight_[ih][hr](?:_l\d+)?(?:_reverse)?|[wW]\d?"
_NORM = r"\w*norm|bn|ln|gn"
_MULTIPLIES = r"lin(ear)?|fc|\w*conv\w*|\w*proj\w*|dense|mlp|head|qkv|kv|attn|expand|reduce|reduction"
_EMBEDDING = r"\w*embed\w*|\w*embs?|\w*tokens?|wte|wpe|shared|vocab\w*|codebooks?"
# By a word of the parameter's name; the first that fits. Those of ``_OF_MODULES`` also by a word of the module's.
_REASONS = {
    "biases": r"bias|biases",
    "position tables": r"pos\w*|relative|rel|coords?|coordinates|rotary|rope|freqs?|grid|anchors?|wpe",
    "masks": r"masks?",
    "norms": _NORM,
    "gains and scales": r"gains?|gammas?|betas?|alphas?|lambdas?|taus?|ls|\w*scales?|scaling|temperatures?|strength",
    "tokens and queries": r"tokens?|cls|latents?|probes?|prompts?|registers?|queries|query|seeds?",
    "constants and statistics": r"running|mean|var|std|avg|ema|index|indices|table|buffer|count|cov",
    "embeddings": _EMBEDDING,
}
_OF_MODULES = ("biases", "position tables", "norms", "gains and scales", "embeddings")
_AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")
_ONE_EXTENT = "vectors (all extents 1 but one)"
_UNLIKE = "parameters that are called like no weight"
_WHOLE = "tensors of a type that is not pruned"


def judge(tensors: Tensors) -> dict[str, Verdict]:
    """What each tensor of a file is; those of fewer than two dimensions are no weights, without a reason."""
    return {name: _judged(name, dtype, shape, tensors) for name, (dtype, shape) in tensors.items()}


def is_auxiliary(name: str) -> bool:
    """Whether a tensor is of a head that helps to train googlenet or inception_v3, and takes no part in predictions.

    One rule: such tensors are no layers and count as no parameters; a file that is pruned keeps them as they are, and
    where the network is built they are left out.
    """
    return name.startswith(_AUXILIARY)


def remedy_of(reason: str) -> str:
    """What to do about a file of tensors that are refused for ``reason``."""
    return next(form.remedy for form in FORMATS if form.reason == reason)


def _judged(name: str, dtype: str, shape: tuple[int, ...], tensors: Tensors) -> Verdict:
    for form in FORMATS:
        match = re.fullmatch(form.member, name)
        if match and all(witness.format(**match.groupdict()) in tensors for witness in form.witnesses):
            return Verdict(Judgement.REFUSED, form.reason)
    if len(shape) < 2:
        return Verdict(Judgement.LEFT)
    if is_auxiliary(name):
        return Verdict(Judgement.LEFT, "auxiliary heads")
    owner, _, own = name.rpartition(".")
    reason = _reason(owner, own, shape, tensors)
    if dtype not in FLOATS:
        return Verdict(Judgement.LEFT, reason or _WHOLE)
    if reason == "embeddings" and own == "weight" and len(shape) == 2:
        return Verdict(Judgement.EMBEDDING, reason)
    if not reason and sum(extent > 1 for extent in shape) < 2:
        reason = _ONE_EXTENT
    return Verdict(Judgement.LEFT, reason) if reason else Verdict(Judgement.LAYER)


def _reason(owner: str, own: str, shape: tuple[int, ...], tensors: Tensors) -> str:
    """Why a tensor is no layer's weight by its name; empty where it is one."""
    words = _words(own)
    if not re.fullmatch(_WEIGHT, own) or _first(words[:-1], _REASONS):
        return _first(words, _REASONS) or _UNLIKE
    words = _words(owner.rpartition(".")[2])
    multiplies = _any(_MULTIPLIES, words)
    if words and (re.fullmatch(_NORM, words[-1]) or (re.fullmatch(_NORM, words[0]) and not multiplies)):
        return "norms"
    bias = tensors.get(f"{owner}.bias" if owner else "bias")
    if multiplies or (bias is not None and bias[1] in (shape[:1], shape[1:2])):
        return ""
    if not words:  # a place in a list: what the list is called
        named = _words(owner.rstrip(".0123456789").rpartition(".")[2])
        words = [word for word in named if re.fullmatch(_EMBEDDING, word)]
    # A table has two dimensions; what is called an embedding and has more is the convolution that makes one.
    if _any(_EMBEDDING, words):
        return "embeddings" if len(shape) == 2 else ""
    return _first(words, _OF_MODULES)


def _first(words: list[str], reasons: Iterable[str]) -> str:
    return next((reason for reason in reasons if _any(_REASONS[reason], words)), "")


def _any(pattern: str, words: list[str]) -> bool:
    return any(re.fullmatch(pattern, word) for word in words)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", name.lower())

"""Classify the tensors of a foreign file by name, shape and type alone: a layer's weight, or the reason why not.

The rule is strict: in doubt a tensor is left alone, because zeros in a table, a gain or a scale break a network. Files
that store parts of weights (quantised, parametrised, masked, adapters) instead of the weights that the network
multiplies by are refused; the message says what they are and what to do. Standard library only.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

FLOATS = ("F64", "F32", "F16", "BF16")
Tensors = Mapping[str, tuple[str, tuple[int, ...]]]  # by name: safetensors dtype and shape


class Judgement(Enum):
    """The kinds of tensors."""

    LAYER = "a layer's weight"
    EMBEDDING = "an embedding's weight"
    LEFT = "no layer's weight"
    REFUSED = "a part that a layer's weight is made of"


@dataclass(frozen=True)
class Verdict:
    """A tensor's kind, and the plural name of what it is (``position tables``); empty for a layer's weight."""

    judgement: Judgement
    reason: str = ""


@dataclass(frozen=True)
class Format:
    """A way to store a weight in several tensors.

    Attributes:
        member: a pattern for the tensors' names; ``stem`` is their common part.
        witnesses: names that must also be in the file for a member to count.
        reason: the plural name of the members.
        remedy: advice on how to get plain weights.
    """

    member: str
    witnesses: tuple[str, ...]
    reason: str
    remedy: str


def _format(own: str, parts: str, witnesses: tuple[str, ...], reason: str, remedy: str) -> Format:
    """Build a format: ``own`` is the part of the tensor's own name in the stem, ``parts`` are the suffixes after it."""
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
        "remove it with torch.nn.utils.remove_spectral_norm and save again, or give --model",
    ),
    _format(
        r"\w+",
        "_g|_v",
        ("{stem}_g", "{stem}_v"),
        "lengths and directions of torch.nn.utils.weight_norm",
        "remove it with torch.nn.utils.remove_weight_norm and save again, or give --model",
    ),
    _format(
        "",
        r"parametrizations\.\w+\..*",
        (),
        "tensors from which torch.nn.utils.parametrize computes weights",
        "remove it with torch.nn.utils.parametrize.remove_parametrizations and save again, or give --model",
    ),
    _format(
        "",
        rf"{_ADAPTER}(?:\..*)?",
        (),
        "factors of adapters (LoRA and the like), whose products are added to a model's weights",
        "merge them into their model (peft: merge_and_unload) and prune that",
    ),
)

# Patterns are compiled on first use, since compiling them takes as long as reading a small file.
# The parameter's own name if it is a weight; also of a raw parameter of a module (CLIP's ``proj``).
_WEIGHT = r"(?:\w+_)?(?:weight|kernel|proj|projection)|weight_[ih][hr](?:_l\d+)?(?:_reverse)?|[wW]\d?"
_NORM = r"\w*norm|bn|ln|gn"
_MULTIPLIES = r"lin(ear)?|fc|\w*conv\w*|\w*proj\w*|dense|mlp|head|qkv|kv|attn|expand|reduce|reduction"
_EMBEDDING = r"\w*embed\w*|\w*embs?|\w*tokens?|wte|wpe|shared|vocab\w*|codebooks?"
# Matched with words of the parameter's name, the first match counts; ``_OF_MODULES`` also with words of the module's.
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
_UNLIKE = "parameters without a weight's name"
_WHOLE = "tensors of a type that is not pruned"


def judge(tensors: Tensors) -> dict[str, Verdict]:
    """Classify each tensor of a file; those of fewer than two dimensions are no weights and need no reason."""
    return {name: _judged(name, dtype, shape, tensors) for name, (dtype, shape) in tensors.items()}


def is_auxiliary(name: str) -> bool:
    """Whether a tensor belongs to a head that only helps to train googlenet or inception_v3.

    Such tensors are no layers and do not count as parameters; a pruned file keeps them unchanged, and the built network
    does without them.
    """
    return name.startswith(_AUXILIARY)


def remedy_of(reason: str) -> str:
    """The advice for a file whose tensors are refused for ``reason``."""
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
    """The reason why a tensor's name excludes it as a layer's weight; empty if it is one."""
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
    if not words:  # a position in a list: use the list's name
        named = _words(owner.rstrip(".0123456789").rpartition(".")[2])
        words = [word for word in named if re.fullmatch(_EMBEDDING, word)]
    # A table has two dimensions; an "embedding" with more is the convolution that makes one.
    if _any(_EMBEDDING, words):
        return "embeddings" if len(shape) == 2 else ""
    return _first(words, _OF_MODULES)


def _first(words: list[str], reasons: Iterable[str]) -> str:
    return next((reason for reason in reasons if _any(_REASONS[reason], words)), "")


def _any(pattern: str, words: list[str]) -> bool:
    return any(re.fullmatch(pattern, word) for word in words)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", name.lower())

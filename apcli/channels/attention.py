"""The attention of ``nn.MultiheadAttention`` with fewer heads, or for a narrower stream, than it was built with."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from apcli.errors import ApcliError


def attend(
    self: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The forward pass of ``nn.MultiheadAttention``, whose tensors say how many heads there are, and how wide a stream.

    A head is as wide as in the module that was built. As with PyTorch's own, modes see one function, not its steps.

    Args:
        query: [B, n, E], or [n, B, E] unless the module has ``batch_first``; ``key`` and ``value`` likewise.
        key_padding_mask: [B, m].
        attn_mask: [n, m] or [B heads, n, m].

    Raises:
        ApcliError: the module has keys of another width, rows added to keys and values, or an unbatched input.
    """
    given = (query, key, value)
    if has_torch_function(given):
        masks: list[Any] = [key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal]
        result: tuple[Tensor, Tensor | None] = handle_torch_function(attend, given, self, *given, *masks)
        return result
    if self.in_proj_weight is None or self.bias_k is not None or self.add_zero_attn or query.dim() != 3:
        raise ApcliError("an attention of this form cannot have fewer heads: exclude its layers")
    if not self.batch_first:
        query, key, value = (each.transpose(0, 1) for each in (query, key, value))
    biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
    weights = self.in_proj_weight.chunk(3)
    heads = len(weights[0]) // self.head_dim
    queries, keys, values = (
        F.linear(each, weight, bias).unflatten(-1, (heads, self.head_dim)).transpose(1, 2)
        for each, weight, bias in zip((query, key, value), weights, biases, strict=True)
    )
    mask = _mask(key_padding_mask, attn_mask, queries, keys)
    if need_weights:
        scores = queries @ keys.transpose(-2, -1) * self.head_dim**-0.5
        shares = (scores if mask is None else scores + mask).softmax(dim=-1)
        mixed = F.dropout(shares, self.dropout, self.training) @ values
    else:
        mixed = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        shares = None
    attended = self.out_proj(mixed.transpose(1, 2).flatten(2))
    if shares is not None and average_attn_weights:
        shares = shares.mean(dim=1)
    return (attended if self.batch_first else attended.transpose(0, 1)), shares


def _mask(padding: Tensor | None, mask: Tensor | None, queries: Tensor, keys: Tensor) -> Tensor | None:
    """What to add to the scores [B, heads, n, m]: -inf where a mask of bools is True."""
    shape = (*queries.shape[:-1], keys.shape[-2])
    parts = [] if padding is None else [padding[:, None, None]]
    if mask is not None:
        if mask.dim() == 3:
            mask = mask.reshape(shape[0], -1, *shape[2:])[:, : shape[1]]
        parts.append(mask)
    added = [
        torch.zeros_like(part, dtype=queries.dtype).masked_fill(part, float("-inf"))
        if part.dtype == torch.bool
        else part
        for part in parts
    ]
    return sum(added) if added else None  # type: ignore[return-value]

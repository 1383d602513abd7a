"""Attention with fewer heads, against the module with zeros in their place."""

import pytest
import torch
from torch import nn

from apcli.channels.attention import attend
from apcli.errors import ApcliError

HEADS, WIDTH, STREAM = 3, 4, 12


def pair(**options):
    """A module without its first head, and the same with zeros instead."""
    torch.manual_seed(0)
    whole = nn.MultiheadAttention(STREAM, HEADS, **options).double().eval()
    small = nn.MultiheadAttention(STREAM, HEADS, **options).double().eval()
    rows = torch.arange(3 * STREAM).reshape(3, HEADS, WIDTH)[:, 1:].flatten()
    with torch.no_grad():
        if whole.in_proj_bias is not None:
            whole.in_proj_bias.normal_()
            small.in_proj_bias = nn.Parameter(whole.in_proj_bias[rows])
            small.out_proj.bias.copy_(whole.out_proj.bias)
        small.in_proj_weight = nn.Parameter(whole.in_proj_weight[rows])
        small.out_proj.weight = nn.Parameter(whole.out_proj.weight[:, WIDTH:])
        whole.out_proj.weight[:, :WIDTH] = 0
    return whole, small


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_head_less_is_a_head_of_zeros(weights, first):
    whole, small = pair(batch_first=first)
    query, key = torch.randn(2, 5, STREAM).double(), torch.randn(2, 7, STREAM).double()
    padding = torch.zeros(2, 7, dtype=torch.bool)
    padding[1, 4:] = True
    mask = torch.randn(5, 7).double()
    if not first:
        query, key = query.transpose(0, 1), key.transpose(0, 1)
    found, shares = attend(small, query, key, key, padding, weights, mask)
    expected, _ = whole(query, key, key, padding.double().masked_fill(padding, float("-inf")), False, mask)
    torch.testing.assert_close(found, expected)
    if weights:
        torch.testing.assert_close(shares.sum(-1), torch.ones(2, 5).double())
        assert not shares[1, :, 4:].any()
    else:
        assert shares is None


def test_a_mask_of_bools_and_no_bias():
    whole, small = pair(batch_first=True, bias=False)
    images, mask = torch.randn(2, 5, STREAM).double(), torch.ones(5, 5, dtype=torch.bool).triu(1)
    found, shares = attend(small, images, images, images, attn_mask=mask)
    torch.testing.assert_close(found, whole(images, images, images, attn_mask=mask)[0])
    assert not shares.triu(1).any()


@pytest.mark.parametrize("options", [{"add_bias_kv": True}, {"add_zero_attn": True}, {"kdim": 5}])
def test_other_forms_are_refused(options):
    module = nn.MultiheadAttention(STREAM, HEADS, **options)
    with pytest.raises(ApcliError, match="cannot have fewer heads"):
        attend(module, *[torch.randn(2, 5, STREAM)] * 3)

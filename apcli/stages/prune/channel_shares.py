"""How many channels of each group go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from apcli.allocations.units import least
from apcli.channels.groups import ChannelGroup
from apcli.checkpoints.layers import layer_name
from apcli.errors import UsageError
from apcli.selection.masks import keep_highest
from apcli.words import few

SCOPES = ("layer", "global")


@dataclass(frozen=True)
class Named:
    """A share of ``--layer-sparsity``: the option's text, the share, and the tensors that its pattern matches."""

    option: str
    share: float
    tensors: frozenset[str]


@dataclass(frozen=True)
class Shares:
    """The share of its channels that each group loses.

    Attributes:
        sparsity: of the groups that no name matches; None: they take no part.
        named: of the groups that a matched layer makes; of one layer the last match counts.
    """

    sparsity: float | None
    named: Sequence[Named] = ()


def share_of_groups(
    groups: Sequence[ChannelGroup], shares: Shares, selected: Collection[str], reasons: Mapping[str, str]
) -> dict[str, float]:
    """The share of every group that takes part, by the group's name.

    Args:
        selected: the tensors of ``--layers``.
        reasons: why the channels that other tensors make must stay.

    Raises:
        UsageError: layers that make the same channels have different shares, or a name matches no channel that can go.
    """
    by_tensor: dict[str, float] = {}
    makers = {part.tensor for group in groups for part in group.producers}
    for named in shares.named:
        matched = named.tensors & set(selected)
        if not matched & makers:
            why = few(sorted({reasons.get(tensor, "they make none of their own") for tensor in matched}))
            raise UsageError(
                f"--layer-sparsity {named.option}: no channel of these layers can be removed"
                f"{f' ({why})' if why else ': --layers leaves them out'}: name other layers"
            )
        by_tensor |= dict.fromkeys(matched, named.share)
    found: dict[str, float] = {}
    for group in groups:
        given = {part.tensor: by_tensor[part.tensor] for part in group.producers if part.tensor in by_tensor}
        if len(set(given.values())) > 1:
            pairs = few([f"{layer_name(tensor)} {share:g}" for tensor, share in given.items()])
            raise UsageError(
                f"--layer-sparsity gives different shares to layers that make the same channels ({pairs}): "
                "give them one share"
            )
        share = next(iter(given.values()), shares.sparsity)
        if share is not None:
            found[group.name] = share
    return found


def masks_of(scores: Sequence[np.ndarray], scope: str, shares: Sequence[float], min_keep: float) -> list[np.ndarray]:
    """By group, bool [channels], True = kept. Channels scored -inf go in any case.

    Args:
        shares: what each group is to lose; under ``global`` they are one number, of all channels together.
        min_keep: so many channels of a group stay, or this share of them if below 1; at least one.
    """
    keeps = [max(1, least(score.size, min_keep)) for score in scores]
    if scope == "layer":
        counts = [
            _count(score, share, score.size - keep) for score, share, keep in zip(scores, shares, keeps, strict=True)
        ]
        return [keep_highest(score, count) for score, count in zip(scores, counts, strict=True)]
    # The last ones of each group's ranking are not in the common ranking: the next ones go instead.
    last = [keep_highest(score, max(0, score.size - keep)) for score, keep in zip(scores, keeps, strict=True)]
    pooled = np.concatenate([np.where(stays, np.inf, score) for stays, score in zip(last, scores, strict=True)])
    most = sum(int(stays.size - np.count_nonzero(stays)) for stays in last)
    mask = keep_highest(pooled, _count(pooled, shares[0], most))
    return np.split(mask, np.cumsum([score.size for score in scores])[:-1])


def _count(score: np.ndarray, share: float, most: int) -> int:
    """How many channels go: those without a reader in any case."""
    return max(0, min(max(round(share * score.size), int(np.isneginf(score).sum())), most))

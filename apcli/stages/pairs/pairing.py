"""Pair the files to compare: two files, or each pruned file with its dense ancestor, or with itself."""

from collections.abc import Iterable, Iterator

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.reading import dense_ancestor
from apcli.errors import UsageError


def pairs_of(
    sources: Iterable[Checkpoint], dense: str | None, key: str | None = None, *, pair: bool, alone: bool = False
) -> Iterator[tuple[Checkpoint, Checkpoint]]:
    """Yield each dense checkpoint (``dense``, or the ancestor in the lineage) with its pruned one.

    Args:
        key: the member of ``dense`` that is read (see ``reading.read``).
        pair: whether two sources are wanted, which are one pair unless both are pruned or ``dense`` is given.
        alone: whether a dense file is enough: then each source is one, a pair with itself, where no other is given.

    Raises:
        UsageError: a pair has more or fewer than two files, or a dense file is missing.
    """
    if pair and dense is None:
        two = list(sources)
        if len(two) != 2:
            raise UsageError(
                f"{len(two)} files are given for a pair: expected - to be one file, or --dense FILE for several"
            )
        if not all(checkpoint.lineage.pruned for checkpoint in two):
            yield two[0], two[1]  # the stage refuses the wrong order
            return
        sources = two
    for pruned in sources:
        yield pruned if alone and dense is None else dense_ancestor(pruned, dense, key), pruned

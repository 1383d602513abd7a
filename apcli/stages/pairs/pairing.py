"""Pair the files to compare: two of them, each with its dense ancestor or with the first one, or each with itself."""

from collections.abc import Iterable, Iterator

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.reading import dense_ancestor
from apcli.errors import UsageError


def pairs_of(
    sources: Iterable[Checkpoint], dense: str | None, key: str | None = None, *, pair: bool, alone: bool = False
) -> Iterator[tuple[Checkpoint, Checkpoint]]:
    """Yield each dense checkpoint (``dense``, the ancestor in the lineage, or the first one) with its pruned one.

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
    if alone and dense is None:
        yield from ((source, source) for source in sources)
    elif dense is None:
        yield from _each_with_its_dense(sources, key)
    else:
        yield from ((dense_ancestor(pruned, dense, key), pruned) for pruned in sources)


def _each_with_its_dense(sources: Iterable[Checkpoint], key: str | None) -> Iterator[tuple[Checkpoint, Checkpoint]]:
    """Each file with the dense one of its lineage, which may be the first file; without a lineage, with that."""
    found = iter(sources)
    first, pruned = next(found, None), None
    if first is None:
        return
    is_dense = first.lineage.dense is None
    if not is_dense:
        yield dense_ancestor(first, None, key), first
    for pruned in found:
        link = pruned.lineage.dense
        is_of_first = link.sha256 == first.sha256 if link else is_dense and not pruned.lineage.is_known
        yield first if is_of_first else dense_ancestor(pruned, None, key), pruned
    if is_dense and pruned is None:
        dense_ancestor(first, None, key)  # says that it names none

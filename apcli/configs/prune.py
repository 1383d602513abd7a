"""Options of `prune`."""

import math
from dataclasses import dataclass

from apcli.configs.shared import DataConfig, InputConfig, check_images, check_seeds, require, require_share
from apcli.errors import UsageError

_REMOVED = "the removed share of the weights"
REMAINS = "the share of the dense network's cost that may remain"
RESOURCES = ("macs", "params", "latency")
EACH = "each"  # of ``layers``: every layer alone


@dataclass(frozen=True)
class PruneConfig:
    """``apcli prune``. ``method``, ``scope``, ``sparsity``, ``compression`` and ``budget`` are lists.

    One of the last three is given; ``budget`` is the share of what the dense network costs in a resource that remains.
    ``method`` None: ``lowest``, or ``l1`` for filters. ``layers`` EACH: a result for each layer, pruned alone.
    ``seeds`` None: each checkpoint's own seed, otherwise 0.
    ``images`` 0: all of the split. ``min_keep`` below 1 is a share of each layer. A text in ``sparsity`` names a limit
    (``apcli.stages.limits``).
    """

    sparsity: tuple[float | str, ...] = ()
    method: str | None = None
    scope: str = "layer"
    layers: str = "all"
    exclude: str | None = None
    seeds: tuple[int, ...] | None = None
    compression: tuple[float, ...] = ()
    budget: tuple[tuple[str, float], ...] = ()
    latency_table: str | None = None
    layer_sparsity: tuple[tuple[str, float], ...] = ()
    min_keep: float = 0
    structure: str = "weight"
    compact: bool = False
    through_norms: bool = False
    like: str | None = None
    mask_from: str | None = None
    rewind_to: str | None = None
    adjust: bool = False
    weights_key: str | None = None
    storage: str = "dense"
    data: DataConfig = DataConfig()
    model: str | None = None
    split: str = "train"
    images: int = 1024
    batch_size: int = 128
    validation: float = 0.0
    device: str = "auto"
    inputs: InputConfig = InputConfig()

    def __post_init__(self) -> None:
        for sparsity in self.sparsity:
            if not isinstance(sparsity, str):
                require_share("--sparsity", sparsity, _REMOVED)
        for pattern, sparsity in self.layer_sparsity:
            require_share(f"--layer-sparsity {pattern}", sparsity, _REMOVED)
        for ratio in self.compression:
            require(1 <= ratio < math.inf, "--compression", f"{ratio:g}", "parameters over kept parameters, 1 or more")
        for resource, left in self.budget:
            require(resource in RESOURCES, "--budget", repr(resource), f"{' or '.join(RESOURCES)}, as in macs=0.5")
            require_share(f"--budget {resource}", left, REMAINS, whole=True)
            require(left > 0, f"--budget {resource}", "0", f"{REMAINS}, above 0")
        require(0 <= self.min_keep < math.inf, "--min-keep", f"{self.min_keep:g}", "weights, or a share below 1")
        check_images(self.split, self.images, self.batch_size)
        require_share("--validation", self.validation, "a share of the training images")
        require(self.storage in ("dense", "bitmask"), "--storage", repr(self.storage), "dense or bitmask")
        known = "weight, filter (whole channels), or n:m with 0 < n < m, such as 2:4"
        fine = self.structure == "weight" or self.is_filter or self.pattern is not None
        require(fine, "--structure", repr(self.structure), known)
        for option, given in (("--compact", self.compact), ("--through-norms", self.through_norms)):
            require(self.is_filter or not given, option, "given", "to go with --structure filter")
        self._check_latency()
        self._check_amount()
        check_seeds(self.seeds or ())

    def _check_latency(self) -> None:
        timed = any(resource == "latency" for resource, _ in self.budget)
        if timed and self.latency_table is None:
            raise UsageError(
                "--budget latency needs a table of this device's times: give --latency-table FILE, which "
                "apcli report CHECKPOINT --latency-table FILE measures"
            )
        require(timed or self.latency_table is None, "--latency-table", "given", "to go with --budget latency=S")
        if timed and not self.is_filter:
            raise UsageError(
                "--budget latency with single weights: zeros make no kernel faster: give --structure filter"
            )

    def _check_amount(self) -> None:
        given = {
            "--sparsity": self.sparsity,
            "--compression": self.compression,
            "--budget": self.budget,
            "--layer-sparsity": self.layer_sparsity,
            "--mask-from": self.mask_from,
            "--like": self.like,
            "--structure": self.pattern and self.structure,
        }
        named = [option for option, value in given.items() if value]
        allowed = [["--sparsity", "--layer-sparsity"]]
        if len(named) != 1 and named not in allowed:
            given_as = f"given by {' and '.join(named)}" if named else "not given"
            raise UsageError(
                f"the amount to remove is {given_as}: expected one of --sparsity (with or without --layer-sparsity), "
                "--compression, --budget, --structure n:m, --like or --mask-from"
            )
        if self.mask_from and (self.method or self.scope != "layer" or self.structure != "weight" or self.min_keep):
            raise UsageError(
                "--mask-from copies the other file's zeros: leave --method, --scope, --structure and --min-keep out"
            )
        if self.scope != "layer" and (why := self.fixed):
            raise UsageError(f"{why} what each layer loses: leave --scope {self.scope} out")
        if self.min_keep and (self.like or self.pattern):
            raise UsageError(f"{self.fixed} what each layer keeps too: leave --min-keep out")
        if self.layers == EACH and self.layer_sparsity:
            raise UsageError("--layers each prunes every layer alone: leave --layer-sparsity out")
        if self.is_filter and (self.compression or self.rewind_to):
            raise UsageError(
                "--structure filter goes with --sparsity, --layer-sparsity and --budget: leave --compression and "
                "--rewind-to out"
            )
        if self.adjust and (self.is_filter or self.rewind_to):
            other = f"--rewind-to {self.rewind_to}" if self.rewind_to else "--structure filter"
            raise UsageError(f"--adjust changes the single weights that are kept: leave {other} out")

    @property
    def fixed(self) -> str:
        """The option that sets the counts of all layers, so that there is nothing to share; empty if none does."""
        if self.layer_sparsity:
            return "--layer-sparsity sets"
        if self.like:
            return f"--like {self.like} sets"
        return f"--structure {self.structure} fixes" if self.pattern else ""

    @property
    def packed(self) -> bool:
        return self.storage == "bitmask"

    @property
    def is_filter(self) -> bool:
        return self.structure == "filter"

    @property
    def pattern(self) -> tuple[int, int] | None:
        """(n, m) if n of every m consecutive inputs are kept, otherwise None."""
        n, colon, m = self.structure.partition(":")
        if not (colon and n.isdecimal() and m.isdecimal() and 0 < int(n) < int(m) <= 1024):
            return None
        return int(n), int(m)

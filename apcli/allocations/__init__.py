"""Allocations (``--scope``): how the removed share is spread over the layers."""

from apcli.registry import Row, Table

SCOPES = Table(
    "scope",
    (
        Row(
            "layer",
            "apcli.allocations.shares:per_layer",
            "each layer loses the same share",
            "Han et al. 2015, arXiv:1506.02626",
        ),
        Row(
            "global",
            "apcli.allocations.shares:over_all",
            "all layers are ranked together",
            "Frankle & Carbin 2019, arXiv:1803.03635",
        ),
    ),
)

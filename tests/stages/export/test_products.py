"""What is exported: a product's lineage leads back to its checkpoint."""

from typing import Any

from channel_prunings import Branches

from apcli.checkpoints.promises import Link


def test_the_lineage_is_the_checkpoints_and_names_it(exported: Any) -> None:
    metrics = {"test": {"loss": 1.0, "accuracy": 50.0}}
    one = exported(network=Branches(), metrics=metrics, dense=Link("../dense.safetensors", "0" * 64))
    lineage = one.lineage_in(one.home / "inner")
    assert (lineage.stage, lineage.last_settings.options) == ("export", {"format": "some"})
    assert lineage.parent == Link("../net.safetensors", one.checkpoint.sha256)
    assert lineage.dense.path == "../../dense.safetensors"
    assert lineage.metrics == metrics
    assert lineage.model == one.spec.to_json()

"""The networks that torchvision or timm builds, and whether a checkpoint's weights are theirs."""

from dataclasses import replace

from apcli.errors import UsageError
from apcli.models import sources
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.export.products import Exported
from apcli.words import few

_REMEDY = "--format onnx and torch-export take every network"


def spec_in(library: str, spec: ModelSpec) -> ModelSpec:
    """The network that ``library`` builds under the name of ``spec``; a name in timm may end in a tag."""
    name = spec.name.partition(".")[0] if spec.source == "timm" != library else spec.name
    return replace(spec, source=library, name=name)


def check_builds(library: str, exported: Exported) -> None:
    """Refuse a network that ``library`` does not build.

    Raises:
        UsageError: the network is compact, or ``library`` has none of its name, or with other tensors.
    """
    label, spec = exported.checkpoint.label, spec_in(library, exported.spec)
    if exported.checkpoint.lineage.kept:
        raise UsageError(
            f"{label} is compact, and {library} builds networks with all their channels: {_REMEDY}; "
            f"prune without --compact for {library}"
        )
    if not sources.has(library, spec.name):
        raise UsageError(f"{label} is {_named(exported.spec)}, which {library} does not have: {_REMEDY}")
    theirs = {name: tensor.shape for name, tensor in build(spec).state_dict().items()}
    own = {name: tensor.shape for name, tensor in exported.network.state_dict().items()}
    differing = [name for name in {**own, **theirs} if own.get(name) != theirs.get(name)]
    if differing:
        raise UsageError(f"{label}: {library} builds {spec.name} with other tensors ({few(differing)}): {_REMEDY}")


def _named(spec: ModelSpec) -> str:
    return f"a user's own {spec.name}" if spec.source == "user" else f"a {spec.name} of {spec.source}"

"""Programs of ``torch.export``: the network's operations and weights, which torch runs without the network's code."""

import inspect
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from apcli.errors import ApcliError, first_line
from apcli.models.spec import ModelSpec
from apcli.networks import noise_for
from apcli.stages.export.products import Exported, Product

LINEAGE = "apcli.json"  # the name of the lineage among the file's extra files


def write(exported: Exported, path: Path) -> None:
    """Write the network's program, and the lineage as an extra file.

    Raises:
        ApcliError: torch cannot follow the network's operations.
    """
    torch.export.save(program_of(exported), path, extra_files={LINEAGE: exported.lineage_in(exported.home).to_text()})


def program_of(exported: Exported) -> ExportedProgram:
    """The network's program, for any number of images or for ``batch_size``.

    Raises:
        ApcliError: torch cannot follow the network's operations.
    """
    images = noise_for(exported.network, exported.spec, exported.batch_size or 2)
    shapes: Any = None if exported.batch_size else ({0: Dim("batch")},)
    first = next(iter(inspect.signature(exported.network.forward).parameters.values()))
    if shapes and first.kind is first.VAR_POSITIONAL:  # all that is given is one argument then
        shapes = (shapes,)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operations are of this machine's torch alone
    try:
        program = torch.export.export(exported.network, (images,), dynamic_shapes=shapes)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = first_line(error)
        remedy = "its code has to change" if exported.batch_size else "try a fixed --batch-size"
        raise ApcliError(
            f"{exported.checkpoint.label}: torch.export cannot follow its network ({reason}): {remedy}"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # names this machine's files
    return program


def read(path: Path, spec: ModelSpec) -> Product:
    """Load a program by torch alone."""
    program = torch.export.load(path)
    return Product(program.module(), program.state_dict, "torch.export.load(...).module()")

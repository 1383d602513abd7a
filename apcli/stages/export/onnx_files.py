"""ONNX models, made by torch's own exporter, and run by ONNX Runtime."""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from apcli.checkpoints.files.headers import KEY
from apcli.errors import ApcliError, first_line
from apcli.models.spec import ModelSpec
from apcli.stages.export.products import Exported, Product
from apcli.stages.export.torch_export_files import program_of


def write(exported: Exported, path: Path) -> None:
    """Write the network as an ONNX model with the input ``images`` and the output ``logits``, and its lineage.

    Weights of more than 2 GB, which no ONNX file can hold, lie beside it.

    Raises:
        ApcliError: torch cannot follow the network's operations, or ONNX has none for one of them.
    """
    program = program_of(exported)
    try:
        with _quiet():
            made: Any = torch.onnx.export(
                program, dynamo=True, input_names=["images"], output_names=["logits"], verbose=False
            )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = first_line(error.__cause__ or error)
        raise ApcliError(
            f"{exported.checkpoint.label}: torch cannot write its network as ONNX ({reason}): try --format torch-export"
        ) from error
    if exported.batch_size is None:
        made.rename_axes({str(made.model.graph.inputs[0].shape[0]): "batch"})
    _anonymise_(made.model)
    made.model.metadata_props[KEY] = exported.lineage_in(exported.home).to_text()
    made.save(path)


def _anonymise_(model: Any) -> None:
    """Remove what torch says of each operation: it names this machine's files."""
    for node in importlib.import_module("onnx_ir").traversal.RecursiveGraphIterator(model.graph):
        node.metadata_props.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what torch and its converter say of what they do, some of it on standard output."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def read(path: Path, spec: ModelSpec) -> Product:
    """Load an ONNX model by ONNX Runtime, on the CPU."""
    runtime, onnx = importlib.import_module("onnxruntime"), importlib.import_module("onnx")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits, *_) = session.run(None, {"images": images.numpy()})
        return torch.from_numpy(logits)

    stored = onnx.load(path).graph.initializer
    tensors = {one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in stored}
    return Product(run, tensors, "onnxruntime.InferenceSession(...).run(None, {'images': ...})")

"""Formats (``apcli export --format``) in which other programs load a checkpoint's network."""

from dataclasses import dataclass

from apcli.registry.tables import Row, Table


@dataclass(frozen=True, kw_only=True)
class FormatRow(Row):
    """A format. Its function takes an ``Exported`` and a path, and writes the product there: a file, or a folder.

    Attributes:
        reader: the function that opens a product without apcli's help, and returns a ``Product``.
        ending: what follows the checkpoint's stem in the product's name.
        library: whose network takes the product's weights; empty: the product holds the network itself.
        packages: what ``pip install 'apcli[export]'`` adds for this format.
    """

    reader: str
    ending: str
    library: str = ""
    packages: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """All functions that the row names as text."""
        return (self.target, self.reader)


FORMATS = Table(
    "format",
    (
        FormatRow(
            "onnx",
            "apcli.stages.export.onnx_files:write",
            "an ONNX model, for ONNX Runtime and many others; for every network, compact ones too",
            "onnxruntime.InferenceSession(FILE).run(None, {'images': ...})",
            reader="apcli.stages.export.onnx_files:read",
            ending=".onnx",
            packages=("onnx", "onnxscript", "onnxruntime"),
        ),
        FormatRow(
            "torch-export",
            "apcli.stages.export.torch_export_files:write",
            "a program of torch.export; for every network, compact ones too",
            "torch.export.load(FILE).module()",
            reader="apcli.stages.export.torch_export_files:read",
            ending=".pt2",
        ),
        FormatRow(
            "timm",
            "apcli.stages.export.timm_folders:write",
            "a folder with model.safetensors and config.json; for networks that timm builds",
            "timm.create_model('local-dir:FOLDER', pretrained=True)",
            reader="apcli.stages.export.timm_folders:read",
            ending=".timm",
            library="timm",
        ),
        FormatRow(
            "torchvision",
            "apcli.stages.export.torchvision_files:write",
            "a state dict; for networks that torchvision builds",
            "torchvision.models.NAME(num_classes=N).load_state_dict(torch.load(FILE))",
            reader="apcli.stages.export.torchvision_files:read",
            ending=".torchvision.pth",
            library="torchvision",
        ),
    ),
)

"""Tell a file's format by its name and first bytes, and name what is no checkpoint at all. Standard library only."""

from pathlib import Path

from apcli.checkpoints.files import shards
from apcli.errors import ApcliError

PICKLED = (".pth.tar", ".pth", ".pt", ".th", ".bin", ".ckpt", ".tar")  # what files of ``torch.save`` are called
NAMES = (".safetensors", ".index.json", *PICKLED)  # of files that are meant to be checkpoints, whatever is in them
_INDEX = ".index.json"
_TORCH = (b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c")  # a ZIP archive; before PyTorch 1.6, a pickled magic number

# First bytes, in lower case: what such a file is, and what to do.
_FOREIGN = {
    b"version https://git-lfs": ("a Git LFS pointer, not the file itself", "fetch the file with git lfs pull"),
    b"<!doctype": ("a web page", "download the file itself, by the address of the page's download button"),
    b"<html": ("a web page", "download the file itself, by the address of the page's download button"),
    b"<?xml": ("an XML answer of a server", "download the file itself; its address may have expired"),
    b"gguf": ("a GGUF file", "take the model's safetensors files"),
    b"\x89hdf": ("an HDF5 file, as of Keras", "save its tensors with safetensors where it was made"),
    b"\x93numpy": ("a NumPy array", "save the arrays by name with safetensors.numpy.save_file"),
    b"\x1f\x8b": ("a gzip archive", "unpack it first"),
}
_LONGEST = max(map(len, _FOREIGN))


def begins_pickle(head: bytes) -> bool:
    """Whether a file that begins with ``head``, five bytes or more, was written by ``torch.save``."""
    return head.startswith(_TORCH)


def is_pickle(path: Path) -> bool:
    """Whether the file was written by ``torch.save`` or is another pickle; False if it cannot be read.

    A safetensors file may begin with the byte of a pickle, as its header's length: its name or its ninth byte tells.
    """
    head = _head(path, 9)
    is_other = head[:1] == b"\x80" and head[8:9] != b"{" and not path.name.endswith(NAMES[0])
    return begins_pickle(head) or is_other


def refuse_foreign(path: Path, label: str) -> None:
    """Refuse a file of a known kind that is no checkpoint; ``label`` names it in messages.

    Raises:
        ApcliError: it is one; the message says what it is and what to do.
    """
    if path.name.endswith(_INDEX) and not shards.is_index(path):
        raise ApcliError(
            f"{label} is the index of files of another program: expected {shards.SUFFIX} or {shards.OF_PICKLES}; take "
            "those of the model"
        )
    head = _head(path, 2 * _LONGEST).lstrip().lower()
    for magic, (what, remedy) in _FOREIGN.items():
        if head.startswith(magic):
            raise ApcliError(f"{label} is {what}: expected a safetensors file or a PyTorch state dict; {remedy}")


def _head(path: Path, length: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(length)
    except OSError:  # whoever opens the file says why
        return b""

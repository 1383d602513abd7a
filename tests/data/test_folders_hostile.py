"""Image folders of strangers: one line that names the file, and no more memory than an image may take."""

import os
import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from apcli.data.datasets import load
from apcli.errors import ApcliError

PIXELS = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks)


def encoded(form: str) -> bytes:
    buffer = BytesIO()
    PIXELS.save(buffer, form)
    return buffer.getvalue()


END = chunk(b"IEND", b"")
FILES = {
    "nothing.png": b"",
    "text.png": b"<script>alert(1)</script>",
    "command.jpg": b"\x1b]0;owned\x07",
    "head.png": encoded("PNG")[:40],
    "half.png": encoded("PNG")[:-40],
    "half.jpg": encoded("JPEG")[:300],
    "half.bmp": encoded("BMP")[:80],
    "half.webp": encoded("WEBP")[:40],
    "half.tiff": encoded("TIFF")[:100],
    "claims.png": png(60_000, 60_000, chunk(b"IDAT", zlib.compress(bytes(1000))), END),
    "claims_less.png": png(12_000, 12_000, chunk(b"IDAT", zlib.compress(bytes(1000))), END),
    "wrong_sum.png": encoded("PNG")[:-30] + bytes(10) + encoded("PNG")[-20:],
    "no_pixels.png": png(0, 0, END),
    "no_data.png": png(8, 8, END),
    "text_bomb.png": png(8, 8, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200 << 20))), END),
    "pgm.ppm": b"P6 99999999999999999999 1 255\n",
    "bmp.bmp": b"BM" + struct.pack("<IIIIiiHHIIIIII", 100, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / "set" / part / name).mkdir(parents=True)
            PIXELS.save(tmp_path / "set" / part / name / "0.png")
    return tmp_path / "set"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("name", FILES)
def test_an_image_that_is_none_is_named(images, name, cache):
    place = images / "train" / "cat" / name
    read(images, cache)  # what is imported counts for nobody
    place.write_bytes(FILES[name])
    tracemalloc.start()
    with pytest.raises(ApcliError, match=name.replace(".", r"\.")) as error:
        read(images, cache)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert most < 20 << 20


def read(images: Path, cache: str) -> None:
    data = load(f"folder:{images}", Path("nowhere"), size=8, cache=cache, workers=1)
    list(data.train.read([torch.arange(len(data.train))]))


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def to_nothing(path: Path) -> None:
    path.symlink_to("none")


@pytest.mark.parametrize("make", [os.mkfifo, to_a_device, to_nothing])
def test_what_is_no_file_is_named_and_not_waited_for(images, make):
    place = images / "train" / "cat" / "1.png"
    make(place)
    with pytest.raises(ApcliError, match=r"1\.png is no file"):
        load(f"folder:{images}", Path("nowhere"), size=8)

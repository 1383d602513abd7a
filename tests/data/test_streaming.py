"""Splits that are read batch by batch: the same numbers as from memory, and nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from marked import long_but, slow_but
from PIL import Image

from apcli.configs.shared import DataConfig
from apcli.configs.training import LoopConfig, ModelConfig, TrainConfig
from apcli.data import images, streaming
from apcli.data.datasets import Split, evenly, load
from apcli.data.parts import balanced
from apcli.data.streaming import ReaderLost, Streamed
from apcli.errors import ApcliError
from apcli.progress import Progress
from apcli.stages.outputs import Outputs
from apcli.stages.train import train


def write_pictures(folder: Path, mode: str = "RGB") -> None:
    """Three classes of pictures of unequal sizes, some of them JPEG."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 9), ("val", 4)):
        for name in ("ant", "bee", "cat"):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                shape = (8 + number, 12, 3) if mode == "RGB" else (8 + number, 12)
                picture = Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8))
                picture.save(folder / part / name / f"{number}.{'jpg' if number % 3 else 'png'}")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder)
    return folder


def both(folder: Path, workers: int = 2):
    return (load(f"folder:{folder}", Path(), size=8, workers=workers, cache=cache) for cache in ("memory", "none"))


def no_worker_is_left() -> bool:
    for _ in range(100):
        if not multiprocessing.active_children():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "workers"), long_but(product(("RGB", "L"), (1, 2, 5)), ("RGB", 1), ("RGB", 5), ("L", 2))
)
def test_what_is_read_is_what_memory_would_hold(tmp_path, workers, mode):
    write_pictures(tmp_path, mode)
    held, streamed = both(tmp_path, workers)
    assert isinstance(held.train, Split)
    assert isinstance(streamed.train, Streamed)
    assert (held.description, held.mean, held.std) == (streamed.description, streamed.mean, streamed.std)
    assert held.shape == streamed.shape == (3 if mode == "RGB" else 1, 8, 8)
    chunks = [torch.tensor([4, 26, 0]), torch.tensor([7]), torch.tensor([4, 4, 19, 3, 3])]
    parts = [(split, other) for split, other in zip(held.splits.values(), streamed.splits.values(), strict=True)]
    parts += [
        (held.train.subset(chunks[2]), streamed.train.subset(chunks[2])),
        (evenly(held.train, 5), evenly(streamed.train, 5)),
    ]
    parts += list(zip(held.hold_out(0.3).splits.values(), streamed.hold_out(0.3).splits.values(), strict=True))
    for split, other in parts:
        assert torch.equal(split.labels, other.labels)
        wanted = chunks if len(split) == 27 else [torch.arange(len(split)).flip(0)]
        for (x, y), (a, b) in zip(split.read(wanted), other.read(wanted), strict=True):
            assert torch.equal(x, a)
            assert torch.equal(y, b)
    assert list(streamed.train.read([])) == []
    assert no_worker_is_left()


@pytest.mark.slow
def test_a_part_is_read_as_memory_would_hold_it_and_no_other_image_is(pictures, tmp_path):
    write_pictures(tmp_path)
    names = [f"{name}/{number}" for name in ("ant", "bee", "cat") for number in range(9)]
    chosen = balanced(torch.arange(3).repeat_interleave(9), 7, "").tolist()
    for index in set(range(27)) - set(chosen):
        (broken,) = (tmp_path / "train").glob(f"{names[index]}.*")
        broken.write_bytes(b"no image")
    held, streamed = (
        load(f"folder:{tmp_path}", Path(), size=8, workers=1, cache=cache, images=7) for cache in ("memory", "none")
    )
    assert (held.mean, held.std, held.names) == (streamed.mean, streamed.std, ("ant", "bee", "cat"))
    assert held.description == streamed.description
    assert (held.description["images"], held.description["part"]) == ([27, 12], 7)
    everything = torch.arange(7).split(3)
    for (x, y), (a, b) in zip(held.train.read(everything), streamed.train.read(everything), strict=True):
        assert torch.equal(x, a)
        assert torch.equal(y, b)
    assert sorted(held.train.labels.tolist()) == [0, 0, 0, 1, 1, 2, 2]
    (broken,) = (tmp_path / "train").glob(f"{names[chosen[2]]}.*")
    broken.write_bytes(b"no image")
    with pytest.raises(ApcliError, match=rf"could not decode .*{names[chosen[2]]}\."):
        load(f"folder:{tmp_path}", Path(), size=8, workers=1, cache="memory", images=7)


@pytest.mark.slow
def test_training_writes_the_same_bytes(pictures, tmp_path):
    made = []
    for cache in ("memory", "none"):
        config = TrainConfig(
            ModelConfig("resnet20", input_size=8),
            DataConfig(f"folder:{pictures}", cache=cache),
            LoopConfig(2, batch_size=8, lr=0.05, validation=0.2, device="cpu"),
        )
        (path,) = train(config, Outputs(tmp_path / cache), Progress())
        made.append(path.read_bytes())
    assert made[0] == made[1]
    assert no_worker_is_left()


@pytest.mark.slow
def test_a_reader_that_stops_early_leaves_no_worker(pictures):
    _, streamed = both(pictures)
    reading = streamed.train.read(torch.arange(27).split(2))
    next(reading)
    reading.close()
    assert no_worker_is_left()


@pytest.mark.slow
def test_a_broken_image_is_told_as_it_is_from_memory(pictures, tmp_path):
    write_pictures(tmp_path)
    broken = tmp_path / "train" / "bee" / "3.png"
    streamed = load(f"folder:{tmp_path}", Path(), size=8, cache="none")
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    with pytest.raises(ApcliError, match=r"could not decode .*bee/3\.png: .*: replace the file or remove it$"):
        list(streamed.train.read(torch.arange(27).split(4)))
    assert no_worker_is_left()


@pytest.mark.parametrize("sent", slow_but([signal.SIGINT, signal.SIGTERM], signal.SIGINT))
def test_signals_are_left_to_the_parent(pictures, sent):
    """What Ctrl-C, SLURM and systemd send to all processes: the workers go on, and end with the one that reads."""
    _, streamed = both(pictures)
    reading = streamed.train.read(torch.arange(27).split(2))
    next(reading)
    for child in multiprocessing.active_children():
        os.kill(child.pid, sent)
    assert len(list(reading)) == 13
    assert no_worker_is_left()


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told_where_it_is_read(pictures, monkeypatch):
    """Not in the middle of what the reader does with a batch, as torch's own handler of SIGCHLD would."""
    looks = torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(looks, "__defaults__", (0.3,))  # seconds between two looks at who is alive
    _, streamed = both(pictures)
    reading = streamed.train.read(torch.arange(27).split(2))
    next(reading)
    killed = multiprocessing.active_children()[0]
    killed.kill()
    killed.join(5)
    time.sleep(0.05)
    with pytest.raises(ReaderLost, match=r"was ended by SIGKILL, .* memory runs out: use fewer --workers"):
        list(reading)
    assert no_worker_is_left()


@pytest.mark.slow
def test_where_shared_memory_is_full_batches_go_through_pipes(pictures, monkeypatch, caplog):
    def full(tensor):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    held, streamed = both(pictures)
    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    streaming._warn_of_shared_memory.cache_clear()
    chunks = torch.arange(27).split(5)
    for (x, _), (a, _) in zip(held.train.read(chunks), streamed.train.read(chunks), strict=True):
        assert torch.equal(x, a)
    assert caplog.text.count("/dev/shm has no room for the images that are decoded ahead") == 1


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser mounts a file system")
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm here")
def test_a_small_dev_shm_is_no_end(pictures):
    """The real thing: /dev/shm of 400 kB, in a namespace of this one process."""
    script = (
        "import torch; from pathlib import Path; from apcli.data.datasets import load\n"
        f"data = load('folder:{pictures}', Path(), size=224, workers=2, cache='none')\n"
        "print(sum(len(images) for images, _ in data.train.read(torch.arange(27).split(9))))\n"
    )
    mounted = 'mount -t tmpfs -o size=400k tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mounted, "sh", sys.executable, "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("namespaces are not allowed here")
    assert (done.returncode, done.stdout) == (0, "27\n")


def test_memory_is_used_where_it_suffices(pictures, monkeypatch, caplog):
    needed = (27 + 12) * 3 * 8 * 8

    def kind(available: int, cache: str) -> type:
        monkeypatch.setattr(images, "available_memory", lambda: available)
        return type(load(f"folder:{pictures}", Path(), size=8, cache=cache).train)

    with caplog.at_level("INFO", "apcli"):
        assert kind(2 * needed, "auto") is Split
        assert "read again" not in caplog.text
        assert kind(needed, "auto") is Streamed
        assert "39 images of 8x8 need 0.0 GB of memory" in caplog.text
        assert "image files are decoded each time they are used" in caplog.text
    assert kind(2 * needed, "none") is Streamed
    with pytest.raises(ApcliError, match="are available: choose --cache auto, a model with a smaller input"):
        kind(needed, "memory")


def test_a_folder_is_known_by_its_images(tmp_path, monkeypatch):
    def sha256(of: Path) -> str:
        return load(f"folder:{of}", Path(), size=8).description["sha256"]

    for name in ("one", "two"):
        write_pictures(tmp_path / name)
    assert sha256(tmp_path / "one") == sha256(tmp_path / "two")
    file = tmp_path / "two" / "val" / "cat" / "0.png"
    content = bytearray(file.read_bytes())
    pixels = np.array(Image.open(file))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(file)
    assert sha256(tmp_path / "one") != sha256(tmp_path / "two")
    file.write_bytes(bytes(content))
    assert sha256(tmp_path / "one") == sha256(tmp_path / "two")
    file.rename(file.with_name("00.png"))
    assert sha256(tmp_path / "one") != sha256(tmp_path / "two")
    monkeypatch.setattr(images, "READ_WHOLE", 10)
    large = sha256(tmp_path / "one")
    file = tmp_path / "one" / "val" / "cat" / "1.jpg"
    file.write_bytes(file.read_bytes() + b"\0")
    assert sha256(tmp_path / "one") != large

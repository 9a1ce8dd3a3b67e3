"""Mutations of small media files of many formats for everything that reads media."""

import io
import tempfile
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import PIL.Image
import soundfile
import torch
from tests.fuzz.mutate import check_message, mutated_bytes
from tests.media_files import make_sound, make_video

from seehear import media
from seehear.errors import SeehearError

# Suffix, video codec, pixel format, audio codec.
VIDEOS = (
    (".mp4", "libx264", "yuv420p", "aac"),
    (".mov", "mpeg4", "yuv420p", "aac"),
    (".mkv", "libx264", "yuv420p", "libopus"),
    (".webm", "libvpx-vp9", "yuv420p", "libopus"),
    (".avi", "mpeg4", "yuv420p", "libmp3lame"),
    (".ts", "libx264", "yuv420p", "aac"),
    (".flv", "flv", "yuv420p", "libmp3lame"),
    (".wmv", "wmv2", "yuv420p", "libmp3lame"),
    (".mov", "prores_ks", "yuv422p10le", "aac"),
    (".mkv", "ffv1", "yuv420p", "flac"),
    (".gif", "gif", "rgb8", None),
    (".nut", "ffv1", "yuv420p", "pcm_s16le"),
    (".mxf", "mpeg2video", "yuv420p", "pcm_s16le"),
    (".ts", "mpeg2video", "yuv420p", "ac3"),
)
SOUNDS = (
    (".mp3", "libmp3lame"), (".m4a", "aac"), (".flac", "flac"),
    (".opus", "libopus"), (".wav", "pcm_s24le"), (".aiff", "pcm_s16be"), (".wav", "pcm_f32le"),
    (".ac3", "ac3"), (".wv", "wavpack"), (".caf", "pcm_s16be"),
)  # fmt: skip
IMAGES = (".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif", ".jp2", ".avif")


def cases(seed: int) -> Iterator[bytes]:
    """Mutated files; the first line is the suffix."""
    rng, originals = Random(seed), _originals()
    while True:
        suffix, data = rng.choice(originals)
        yield suffix.encode() + b"\n" + mutated_bytes(data, rng)


def check(data: bytes, folder: Path) -> None:
    """Probe, read and mux a file; every step may refuse it."""
    suffix, _, content = data.partition(b"\n")
    path = folder / f"a{suffix.decode()}"
    path.write_bytes(content)
    for read in (
        media.probe,
        lambda p: media.read_video(p, frames_per_s=4.0),
        media.read_audio,
        media.read_image,
        lambda p: media.mux_audio(p, torch.zeros(1, 16_000), 16_000, folder / "out.mkv"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read(path)
            except SeehearError as error:
                check_message(str(error))
    left = [p.name for p in folder.iterdir() if p not in (path, folder / "out.mkv")]
    assert not left, f"left behind: {left}"


@lru_cache(maxsize=1)
def _originals() -> tuple[tuple[str, bytes], ...]:
    """Small files of every format, by suffix."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(_written(Path(folder)))


def _written(folder: Path) -> Iterator[tuple[str, bytes]]:
    tone = 0.3 * np.sin(np.arange(48_000, dtype=np.float32) * 0.05)[None]
    for suffix, codec, pix_fmt, audio_codec in VIDEOS:
        sound = {} if audio_codec is None else {"sound": tone, "sound_codec": audio_codec}
        path = make_video(
            folder / f"a{suffix}", codec=codec, pix_fmt=pix_fmt, num_frames=24, **sound
        )
        yield suffix, path.read_bytes()
    for suffix, codec in SOUNDS:
        yield suffix, make_sound(folder / f"a{suffix}", tone, codec).read_bytes()
    soundfile.write(folder / "a.ogg", tone[0], 48_000)
    yield ".ogg", (folder / "a.ogg").read_bytes()
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    image = PIL.Image.fromarray(pixels)
    for suffix in IMAGES:
        file = io.BytesIO()
        image.save(file, PIL.Image.registered_extensions()[suffix])
        yield suffix, file.getvalue()

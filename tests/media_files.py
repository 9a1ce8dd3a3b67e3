"""Builders of media files with known content and odd properties, made on the spot."""

import hashlib
import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
import soundfile
import torch
from av.stream import Disposition
from av.video.frame import VideoFrame


def numbered_frame(k: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A grey frame whose brightness tells its number (10 k), with a white top left corner."""
    pixels = np.full((height, width, 3), 10 * k % 240, np.uint8)
    pixels[: height // 4, : width // 4] = 255
    return pixels


def frame_number(frame: np.ndarray) -> int:
    """Which frame of `numbered_frame` a read frame [3, h, w] is, from its lower half."""
    return round(float(frame[:, frame.shape[1] * 3 // 4 :].mean()) / 10)


def click(num_samples: int, at: int, channels: int = 1) -> np.ndarray:
    """Silence with a short decaying burst that starts at one sample."""
    sound = np.zeros((channels, num_samples), np.float32)
    n = np.arange(min(400, num_samples - at))
    sound[:, at : at + len(n)] = 0.5 * np.exp(-n / 80) * np.cos(n * 0.3)
    return sound


def delay(sound: np.ndarray, reference: np.ndarray, reach: int = 2000) -> int:
    """By how many samples `sound` comes after `reference`, by cross-correlation."""
    n = max(len(sound), len(reference)) + 2 * reach
    product = np.fft.irfft(np.fft.rfft(sound, n) * np.fft.rfft(reference, n).conj(), n)
    return int(np.argmax(np.concatenate([product[-reach:], product[:reach]]))) - reach


def make_video(
    path: Path,
    *,
    pts: list[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    rate: Fraction = Fraction(25),
    num_frames: int = 25,
    size: tuple[int, int] = (48, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation_deg: int | None = None,
    mirrored: bool = False,
    sound: np.ndarray | None = None,
    sound_rate: int = 48_000,
    sound_codec: str = "aac",
    shift_s: Fraction = Fraction(0),
    sound_shift_s: Fraction = Fraction(0),
    options: dict[str, str] | None = None,
    bit_rate: int | None = None,
    tags: dict[str, str] | None = None,
    sound_tags: dict[str, str] | None = None,
    file_tags: dict[str, str] | None = None,
    chapters_s: Sequence[tuple[int, int]] = (),
) -> Path:
    """Encode numbered frames at the given times. Packets move by `shift_s` after encoding."""
    with av.open(str(path), "w", options=options or {}) as output:
        picture = output.add_stream(codec, rate=rate)
        picture.height, picture.width = size
        picture.pix_fmt = pix_fmt
        picture.codec_context.time_base = time_base
        if bit_rate is not None:
            picture.bit_rate = bit_rate
        picture.metadata.update(tags or {})
        output.metadata.update(file_tags or {})
        if chapters_s:
            output.set_chapters(
                [
                    {"id": k, "start": a, "end": b, "time_base": Fraction(1), "metadata": {}}
                    for k, (a, b) in enumerate(chapters_s)
                ]
            )
        if rotation_deg is not None or mirrored:
            picture.set_display_rotation(rotation_deg or 0, hflip=mirrored)
        track = None
        if sound is not None:
            layout = {1: "mono", 2: "stereo"}[len(sound)]
            track = output.add_stream(sound_codec, rate=sound_rate, layout=layout)
            track.metadata.update(sound_tags or {})
        packets = []
        for k, at in enumerate(pts if pts is not None else range(num_frames)):
            frame = VideoFrame.from_ndarray(numbered_frame(k, *size), "rgb24")
            frame.pts, frame.time_base = at, time_base
            packets += picture.encode(frame)
        packets += picture.encode(None)
        for packet in packets:
            if shift_s:
                packet.pts += round(shift_s / packet.time_base)
                packet.dts += round(shift_s / packet.time_base)
            output.mux(packet)
        if track is not None:
            frame = av.AudioFrame.from_ndarray(sound, "fltp", layout)
            frame.sample_rate, frame.pts = sound_rate, round(sound_shift_s * sound_rate)
            frame.time_base = Fraction(1, sound_rate)
            output.mux([*track.encode(frame), *track.encode(None)])
    return path


def make_sound(path: Path, sound: np.ndarray, codec: str, cover: bool = False) -> Path:
    """Encode a mono sound at 48 kHz, with a cover picture if asked for."""
    with av.open(str(path), "w") as output:
        track = output.add_stream(codec, rate=48_000, layout="mono")
        art = None
        if cover:
            art = output.add_stream("png")
            art.width, art.height, art.pix_fmt = 16, 16, "rgb24"
            art.disposition = Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(sound, "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        packets = [*track.encode(frame), *track.encode(None)]
        if art is not None:
            picture = VideoFrame.from_ndarray(numbered_frame(0, 16, 16), "rgb24")
            output.mux([*art.encode(picture), *art.encode(None)])
        output.mux(packets)
    return path


def packet_hashes(path: Path) -> list[str]:
    """One hash for the content of each packet of the picture, in file order."""
    with av.open(str(path)) as source:
        return [
            hashlib.sha256(bytes(packet)).hexdigest()
            for packet in source.demux(video=0)
            if packet.size
        ]


def stream_duration(path: Path, kind: str) -> Fraction:
    """The duration in seconds that the container declares for its first stream of a kind."""
    with av.open(str(path)) as source:
        stream = next(s for s in source.streams if s.type == kind)
        return stream.duration * stream.time_base


def many_scans(path: Path, side: int, num_scans: int) -> Path:
    """Write a progressive JPEG that repeats its last pass over all pixels; 119 bytes a pass."""
    file = io.BytesIO()
    PIL.Image.new("L", (side, side), 128).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    start = data.rindex(b"\xff\xda")
    path.write_bytes(data[:start] + data[start:-2] * num_scans + data[-2:])
    return path


def write_surround(
    path: Path,
    channels: int,
    loud: int = 0,
    level: float = 0.5,
    rate: int = 16_000,
    duration_s: float = 1.0,
) -> Path:
    """Write a tone in one of many channels, as WAV with the positions of the channels."""
    samples = np.zeros((round(rate * duration_s), channels), np.float32)
    t = np.arange(len(samples)) / rate
    samples[:, loud] = level * np.sin(2 * np.pi * 440 * t)
    soundfile.write(path, samples, rate, format="WAVEX")
    return path


def make_surround_video(path: Path, folder: Path) -> Path:
    """Write a clip of a second whose audio track is 7.1 with a tone in the first channel, PCM."""
    picture, sound = make_video(folder / "picture.mp4"), write_surround(folder / "71.wav", 8)
    with av.open(str(path), "w") as output, av.open(str(picture)) as a, av.open(str(sound)) as b:
        streams = [a.streams.video[0], b.streams.audio[0]]
        tracks = [output.add_stream_from_template(stream) for stream in streams]
        for source, stream, track in zip((a, b), streams, tracks, strict=True):
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = track
                    output.mux(packet)
    return path


def scene(seed: int, num_frames: int) -> torch.Tensor:
    """A smooth random texture that moves by two pixels a frame."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.integers(0, 256, (1, 3, 6, 10)).astype(np.float32))
    texture = torch.nn.functional.interpolate(coarse, size=(96, 160), mode="bicubic")[0]
    frames = [texture.roll(2 * k, dims=2) for k in range(num_frames)]
    return torch.stack(frames).clamp(0, 255).byte()

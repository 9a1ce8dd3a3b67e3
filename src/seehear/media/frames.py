"""Video decoding: sample the frames that are on screen at regular times."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import torch
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from seehear.errors import MediaError
from seehear.media.isolated import isolatable, limits_here, stream_from_child_process
from seehear.media.kinds import Frame, Video
from seehear.media.opening import (
    MAX_GAP_S,
    audio_stream,
    check_decoder,
    check_duration,
    check_gap,
    content_of,
    declared_duration,
    decodable_frames,
    decoding,
    exact,
    is_still,
    open_media,
    seconds,
    video_stream,
)

MAX_ASPECT = 5  # a longer strip is scaled down further: its header must not decide the memory
MAX_DURATION_S = 600.0  # 8 frames/s of 398 x 224 pixels then take 1.3 GB
_ONE = Fraction(1)
_Matrix = tuple[int, int, int, int]
_FALLBACK_FPS = Fraction(25)  # for raw streams without a clock; FFmpeg's own default


@isolatable
def read_video(
    path: str | Path,
    *,
    frames_per_s: float = 8.0,
    short_side: int = 224,
    max_duration_s: float = MAX_DURATION_S,
) -> Video:
    """Read the frames that are on screen at regular times.

    Only the sampled frames are held in memory, already scaled down. A truncated file gives the
    frames that can be decoded.

    Args:
        path: Any video file that FFmpeg can read.
        frames_per_s: Sampling rate. Frames repeat if the file has a lower frame rate.
        short_side: Maximum length of the shorter side in pixels; the longer side has at most 5
            times as many. Frames are never scaled up.
        max_duration_s: Longer files are rejected, from the header if it states a duration.

    Raises:
        MediaError: not a video, no video track, no frame can be decoded, or longer than
            `max_duration_s`.
    """
    _check_sampling(frames_per_s, short_side)
    with open_media(path) as container, decoding(path):
        stream = require_video(path, container)
        has_audio = audio_stream(container) is not None
        fps = float(frame_rate(stream))
        grid = _Grid(path, container, stream, frames_per_s, short_side, max_duration_s)
        frames = torch.from_numpy(_stack(grid, grid.expected_frames()))
    return Video(
        frames=frames,
        times_s=torch.arange(len(frames), dtype=torch.float64) / frames_per_s,
        duration_s=float(grid.duration),
        fps=fps,
        frames_per_s=frames_per_s,
        has_audio=has_audio,
        rotation_deg=grid.rotation_deg,
        path=Path(path),
    )


def stream_frames(
    path: str | Path,
    *,
    frames_per_s: float = 8.0,
    short_side: int = 224,
    max_duration_s: float = math.inf,
) -> Iterator[tuple[float, UInt8[np.ndarray, "3 height width"]]]:
    """Yield (time in seconds, frame) like `read_video`, with one frame in memory.

    Raises:
        MediaError: as for `read_video`.
    """
    limits = limits_here()
    decode = sampled_frames
    if limits is not None:
        decode = partial(stream_from_child_process, sampled_frames, limits=limits)
    frames = decode(
        path, frames_per_s=frames_per_s, short_side=short_side, max_duration_s=max_duration_s
    )
    yield from ((frame.time_s, frame.pixels.numpy()) for frame in frames)


def sampled_frames(
    path: str | Path, *, frames_per_s: float, short_side: int, max_duration_s: float
) -> Iterator[Frame]:
    """Decode the frames of `stream_frames` in this process."""
    _check_sampling(frames_per_s, short_side)
    with open_media(path) as container, decoding(path):
        stream = require_video(path, container)
        grid = _Grid(path, container, stream, frames_per_s, short_side, max_duration_s)
        for k, frame in enumerate(grid):
            yield Frame(time_s=k / frames_per_s, pixels=torch.from_numpy(frame))


def _check_sampling(frames_per_s: float, short_side: int) -> None:
    if not frames_per_s > 0 or short_side < 1:
        raise ValueError(
            f"frames_per_s and short_side must be positive, got {frames_per_s}, {short_side}"
        )


class _Grid:
    """One pass over a file that yields the frames on screen at 0, 1/f, 2/f, ... seconds."""

    def __init__(
        self,
        path: str | Path,
        container: InputContainer,
        stream: VideoStream,
        frames_per_s: float,
        short_side: int,
        max_duration_s: float,
    ):
        self.path, self.container, self.stream = path, container, stream
        self.step = 1 / Fraction(frames_per_s)
        self.short_side, self.max_duration_s = short_side, max_duration_s
        self.aspect = _pixel_aspect(stream)
        # Shared by all frames: `VideoFrame.reformat` creates one per frame, and memory grows.
        self.reformatter = VideoReformatter()
        self.duration = Fraction(0)  # complete after the pass; the two below after the first frame
        self.rotation_deg = 0
        self.matrix: _Matrix = (1, 0, 0, 1)

    def expected_frames(self) -> int:
        """Number of frames according to the header, which can be wrong, so at most a minute."""
        declared_s = max(0.0, float(declared_duration(self.container, self.stream) or 1))
        return math.ceil(min(declared_s, self.max_duration_s, MAX_GAP_S) / self.step) + 1

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "3 height width"]]:
        check_duration(
            self.path, declared_duration(self.container, self.stream), self.max_duration_s
        )
        k, kept = 0, None
        current: VideoFrame | None = None
        for start, end, frame in clocked_frames(self.path, self.container, self.stream):
            check_duration(self.path, start, self.max_duration_s)
            # A frame that is shown too long, at the end too, is a damaged timestamp like a gap.
            check_gap(self.path, max(start - self.duration, end - start))
            if current is None:
                # Only once: reading side data puts the frame into a reference cycle.
                self.matrix, self.rotation_deg = _display_matrix(frame), frame.rotation % 360
            # The previous frame stays on screen until `start`.
            while current is not None and k * self.step < start:
                kept = self._pixels(current) if kept is None else kept
                yield kept
                k += 1
            current, kept = frame, None
            self.duration = max(self.duration, end)
        if current is None:
            raise MediaError(
                f"{self.path}: expected decodable frames, got none; the file is damaged or "
                "truncated, export it again"
            )
        while k * self.step < self.duration:
            kept = self._pixels(current) if kept is None else kept
            yield kept
            k += 1

    def _pixels(self, frame: VideoFrame) -> UInt8[np.ndarray, "3 height width"]:
        """Convert a frame to RGB with square pixels, scale it down and apply its display matrix."""
        width = frame.width * max(self.aspect, _ONE)
        height = frame.height * max(1 / self.aspect, _ONE)
        longest = MAX_ASPECT * self.short_side
        scale = min(_ONE, self.short_side / min(width, height), longest / max(width, height))
        scaled = self.reformatter.reformat(
            frame,
            width=max(1, round(width * scale)),
            height=max(1, round(height * scale)),
            format="rgb24",
            interpolation="AREA" if scale < 1 else "BICUBIC",
        )
        return np.ascontiguousarray(_rotated(scaled.to_ndarray(), self.matrix).transpose(2, 0, 1))


def require_video(path: str | Path, container: InputContainer) -> VideoStream:
    """The video stream of a container; raises MediaError if there is none that can be read."""
    stream = video_stream(container)
    if stream is None:
        raise MediaError(f"{path}: expected a video, got {content_of(container)}")
    if is_still(container):
        raise MediaError(f"{path}: expected a video, got an image; use i2a or read_image")
    check_decoder(path, stream)
    return stream


def frame_rate(stream: VideoStream) -> Fraction:
    """Frames per second according to the file; 25 for raw streams without a clock."""
    return exact(stream.average_rate or stream.guessed_rate) or _FALLBACK_FPS


def clocked_frames(
    path: str | Path, container: InputContainer, stream: VideoStream
) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
    """Yield (on, off, frame) with times in seconds after the first frame, non-decreasing."""
    stream.thread_type = "AUTO"
    frame_s = 1 / frame_rate(stream)
    zero: Fraction | None = None
    on, off = Fraction(0), Fraction(0)
    for frame in decodable_frames(container, stream):
        time = seconds(frame.pts, frame.time_base)
        if zero is None:
            zero = time or Fraction(0)
        # A recording that is appended to another one starts again at an earlier time.
        if time is not None and time - zero < on:
            zero = time - off
        # Raw streams have no timestamps: each frame starts where the previous one ends.
        on = max(on, off if time is None else time - zero)
        length = seconds(frame.duration or None, frame.time_base)
        off = on + (length or frame_s)
        yield on, off, frame


def _pixel_aspect(stream: VideoStream) -> Fraction:
    """Pixel aspect ratio (width / height); 1 if unknown or outside [0.1, 10]."""
    aspect = exact(stream.sample_aspect_ratio) or _ONE
    return aspect if Fraction(1, 10) <= aspect <= 10 else _ONE


def _display_matrix(frame: VideoFrame) -> _Matrix:
    """Display matrix (a, b, c, d): x' = a x + c y, y' = b x + d y for a stored point (x, y)."""
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data)[:20], np.int32).tolist()
    return a, b, c, d


def _rotated(
    rgb: UInt8[np.ndarray, "height width 3"], matrix: _Matrix
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """Rotate by the nearest quarter turn and mirror by a display matrix; y points down."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        rgb, a, d = rgb.transpose(1, 0, 2), c, b
    return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _stack(
    frames: Iterable[UInt8[np.ndarray, "3 height width"]], expected: int
) -> UInt8[np.ndarray, "n 3 new_height new_width"]:
    """Stack frames. Frames of another size are resized to the size of the first.

    Frames are written into a preallocated array, so that stacking does not double the memory.
    """
    stack, n = np.empty((0, 3, 1, 1), np.uint8), 0
    for frame in frames:
        if not n:
            stack = np.empty((expected, *frame.shape), np.uint8)  # pages use memory once written
        elif n == len(stack):
            stack = np.concatenate([stack, np.empty_like(stack)])
        stack[n] = _resize(frame, stack.shape[2:])
        n += 1
    return stack[:n]


def _resize(frame: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if frame.shape[1:] == size:
        return frame
    video_frame = VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), "rgb24")
    return video_frame.reformat(width=size[1], height=size[0]).to_ndarray().transpose(2, 0, 1)

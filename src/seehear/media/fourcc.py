"""Matroska video tracks that name their codec by a FourCC, for codecs without a Matroska name.

FFmpeg's muxer writes such tracks (V_MS/VFW/FOURCC), but PyAV adds only codecs with a Matroska name.
So the track is added as raw video, and its header is corrected in the file when it is complete.
"""

import io
import struct
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# Of codecs whose usual containers do not state the FourCC that AVI and Matroska use.
_FOURCC = {
    "flv": b"FLV1",
    "h263": b"H263",
    "png": b"MPNG",
    "qtrle": b"",
    "gif": b"",
    "rv10": b"",
    "rv20": b"",
    "rawvideo": b"",  # players disagree on the FourCC of each pixel format
}
# Muxer option that allows the track. Without a FourCC, FFmpeg would refuse raw video.
OPTIONS = {"allow_raw_vfw": "1"}
_HEADER_BYTES = 1 << 20  # tracks are described before the first frame


def fourcc_of(stream: VideoStream) -> bytes:
    """The FourCC of a stream's codec in AVI and Matroska; empty if it has none."""
    tag = str(stream.codec_context.codec_tag).encode("latin-1", "replace")
    known = tag if len(tag) == 4 and tag.isalnum() else b""
    return _FOURCC.get(stream.codec_context.name, known)


def add_fourcc_track(output: OutputContainer, stream: VideoStream) -> VideoStream:
    """Add a track for the packets of `stream`; `write_fourcc` completes it after the last packet.

    Raises:
        ValueError: The codec has no FourCC.
    """
    if not fourcc_of(stream):
        raise ValueError(f"{stream.codec_context.name} has no FourCC")
    with av.open(_raw_video(stream.width, stream.height)) as template:
        track = output.add_stream_from_template(template.streams.video[0], opaque=True)
    if stream.codec_context.extradata:
        track.codec_context.extradata = stream.codec_context.extradata
    if stream.sample_aspect_ratio:
        track.sample_aspect_ratio = stream.sample_aspect_ratio
    assert isinstance(track, VideoStream)
    return track


def write_fourcc(path: Path, stream: VideoStream) -> None:
    """Replace "raw video, rows from bottom to top" by the codec in the track's BITMAPINFOHEADER."""
    with path.open("r+b") as file:
        header = file.read(_HEADER_BYTES)
        place = header.index(struct.pack("<ii", stream.width, -stream.height))
        file.seek(place + 4)
        file.write(struct.pack("<i", stream.height))
        file.seek(place + 12)
        file.write(fourcc_of(stream))


def _raw_video(width: int, height: int) -> io.BytesIO:
    """A file with one grey frame, whose stream is a template for a raw video track."""
    file = io.BytesIO()
    with av.open(file, "w", format="nut") as output:
        stream = output.add_stream("rawvideo", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "gray"
        output.mux(stream.encode(VideoFrame(width, height, "gray")))
        output.mux(stream.encode(None))
    file.seek(0)
    return file

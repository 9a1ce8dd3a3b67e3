"""Media in and out: files to tensors with exact clocks, and tensors to files that play."""

from seehear.dsp.level import finish_level, peak_dbfs
from seehear.media.frames import read_video, stream_frames
from seehear.media.kinds import Audio, Image, Probe, Video
from seehear.media.mux import mux_sound
from seehear.media.read import probe, read_audio, read_image
from seehear.media.write import (
    check_folder_of,
    made_folder,
    replacing,
    upscaled,
    write_audio,
    write_image,
    write_video,
)

__all__ = [
    "Audio",
    "Image",
    "Probe",
    "Video",
    "check_folder_of",
    "finish_level",
    "made_folder",
    "mux_sound",
    "peak_dbfs",
    "probe",
    "read_audio",
    "read_image",
    "read_video",
    "replacing",
    "stream_frames",
    "upscaled",
    "write_audio",
    "write_image",
    "write_video",
]

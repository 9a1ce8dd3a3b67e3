"""Read and write media: files to tensors with exact timestamps, and tensors to playable files."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seehear.dsp.level import finish_level, peak_dbfs
    from seehear.media.folders import check_folder_of, ensure_folder
    from seehear.media.frames import read_video, stream_frames
    from seehear.media.images import read_image
    from seehear.media.kinds import Audio, Image, Probe, Video
    from seehear.media.mux import check_container, mux_audio
    from seehear.media.read import probe, read_audio
    from seehear.media.write import replacing, upscaled, write_audio, write_image, write_video

_MODULES = {
    "dsp.level": ("finish_level", "peak_dbfs"),
    "media.frames": ("read_video", "stream_frames"),
    "media.images": ("read_image",),
    "media.kinds": ("Audio", "Image", "Probe", "Video"),
    "media.mux": ("check_container", "mux_audio"),
    "media.folders": ("check_folder_of", "ensure_folder"),
    "media.read": ("probe", "read_audio"),
    "media.write": ("replacing", "upscaled", "write_audio", "write_image", "write_video"),
}
_FORMER_NAMES = {"made_folder": "ensure_folder", "mux_sound": "mux_audio"}  # deprecated
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Audio",
    "Image",
    "Probe",
    "Video",
    "check_container",
    "check_folder_of",
    "ensure_folder",
    "finish_level",
    "mux_audio",
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


def __getattr__(name: str) -> Any:
    # PyTorch and PyAV take seconds to import; the table of suffixes needs neither.
    if name in _FORMER_NAMES:
        message = f"seehear.media.{name} is deprecated: use {_FORMER_NAMES[name]}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        name = _FORMER_NAMES[name]
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'seehear.media' has no attribute {name!r}")
    return getattr(import_module(f"seehear.{_MODULE_OF[name]}"), name)

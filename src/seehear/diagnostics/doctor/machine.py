"""What the machine offers: device, number format, memory, disk, codecs."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import psutil
import torch

from seehear.media.encode import CONTAINERS
from seehear.models.frozen_layers import computes_bfloat16

LOW_DISK_BYTES = 2**30


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and whether that is enough."""

    name: str
    is_fine: bool
    detail: str


def machine_checks(device: str, dtype: torch.dtype) -> list[Check]:
    """Look at everything around the models."""
    return [
        device_check(device),
        dtype_check(device, dtype),
        memory_check(),
        disk_check(Path(tempfile.gettempdir())),
        *codec_checks(),
    ]


def device_problem(device: str) -> str | None:
    """Why a tensor cannot be put there, in a sentence; None if it can."""
    try:
        torch.empty(1, device=device)
    # PyTorch tells of unknown, absent and unsupported devices by three kinds of error.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        return (
            f"expected a device that this PyTorch can use, got {device!r} ({reason}); "
            "leave --device out to run on the CPU"
        )
    return None


def device_check(device: str) -> Check:
    """Whether PyTorch can compute there."""
    problem = device_problem(device)
    if problem is not None:
        return Check("device", False, problem)
    if torch.device(device).type != "cuda":
        threads = torch.get_num_threads()
        return Check("device", True, f"{device}, {threads} threads, PyTorch {torch.__version__}")
    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    gigabytes = f"{free / 2**30:.1f} of {total / 2**30:.1f} GB free"
    return Check("device", True, f"{device}, {properties.name}, {gigabytes}")


def dtype_check(device: str, dtype: torch.dtype) -> Check:
    """Whether the device computes in that format at a useful speed."""
    name = str(dtype).removeprefix("torch.")
    kind = torch.device(device).type
    if dtype == torch.float16:
        return Check("dtype", False, "float16 loses small gradients: use bfloat16 or float32")
    if dtype == torch.bfloat16 and kind == "cpu" and not computes_bfloat16():
        detail = "this processor computes in float32 instead: it saves memory, not time"
        return Check("dtype", True, f"{name}; {detail}")
    return Check("dtype", True, name)


def memory_check() -> Check:
    """How much memory is left for models and graphs."""
    memory = psutil.virtual_memory()
    detail = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GB available"
    return Check("memory", True, detail)


def disk_check(folder: Path) -> Check:
    """Whether the disk of temporary files has room for a long video."""
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GB free in {folder}"
    if free < LOW_DISK_BYTES:
        return Check("disk", False, f"{detail}: long videos may not fit; set TMPDIR elsewhere")
    return Check("disk", True, detail)


def codec_checks() -> list[Check]:
    """Whether PyAV's FFmpeg can write every kind of file that we offer."""
    users: dict[str, list[str]] = {}
    for suffix, container in CONTAINERS.items():
        for codec in (container.video_codec, container.audio_codec):
            users.setdefault(codec, []).append(suffix)
    missing = {codec: suffixes for codec, suffixes in users.items() if not _can_encode(codec)}
    if not missing:
        return [Check("codecs", True, ", ".join(sorted(users)))]
    return [
        Check("codecs", False, f"no encoder {codec}: {', '.join(suffixes)} cannot be written")
        for codec, suffixes in missing.items()
    ]


def _can_encode(codec: str) -> bool:
    try:
        av.codec.Codec(codec, "w")
    except ValueError:  # PyAV's UnknownCodecError is one
        return False
    return True

"""Checks of the machine: device, dtype, memory, disk, codecs."""

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
    """Result of one check."""

    name: str
    is_fine: bool
    detail: str


def machine_checks(device: str, dtype: torch.dtype) -> list[Check]:
    """Run all checks of the machine."""
    return [
        device_check(device),
        dtype_check(device, dtype),
        memory_check(),
        disk_check(Path(tempfile.gettempdir())),
        *codec_checks(),
    ]


def device_problem(device: str) -> str | None:
    """Error message if PyTorch cannot use the device, else None."""
    try:
        # A value must come back: the device "meta" has none.
        torch.ones(1, device=device).sum().item()
    # PyTorch raises four error types for unknown, missing and unsupported devices.
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        # Some messages go on with a list of all of PyTorch's backends.
        reason = str(error).splitlines()[0].split(". ")[0][:200]
        return (
            f"expected a device that this PyTorch can use, got {device!r} ({reason}); "
            "leave --device out to run on the CPU"
        )
    return None


def device_check(device: str) -> Check:
    """Check that PyTorch can use the device."""
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
    """Check that the dtype is usable on the device."""
    name = str(dtype).removeprefix("torch.")
    kind = torch.device(device).type
    if dtype == torch.float16:
        return Check("dtype", False, "float16 loses small gradients: use bfloat16 or float32")
    if dtype == torch.bfloat16 and kind == "cpu" and not computes_bfloat16():
        detail = "this CPU computes in float32 instead, which saves memory but no time"
        return Check("dtype", True, f"{name}; {detail}")
    return Check("dtype", True, name)


def memory_check() -> Check:
    """Report the available memory."""
    memory = psutil.virtual_memory()
    detail = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GB available"
    return Check("memory", True, detail)


def disk_check(folder: Path) -> Check:
    """Check that the disk of temporary files has space for a long video."""
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GB free in {folder}"
    if free < LOW_DISK_BYTES:
        return Check(
            "disk", False, f"{detail}: long videos may not fit; set TMPDIR to another disk"
        )
    return Check("disk", True, detail)


def codec_checks() -> list[Check]:
    """Check that PyAV's FFmpeg has the encoders of all output containers."""
    suffixes_of: dict[str, list[str]] = {}
    for suffix, container in CONTAINERS.items():
        for codec in (container.video_codec, container.audio_codec):
            suffixes_of.setdefault(codec, []).append(suffix)
    missing = {codec: suffixes for codec, suffixes in suffixes_of.items() if not _can_encode(codec)}
    if not missing:
        return [Check("codecs", True, ", ".join(sorted(suffixes_of)))]
    return [
        Check("codecs", False, f"no encoder {codec}: {', '.join(suffixes)} cannot be written")
        for codec, suffixes in missing.items()
    ]


def _can_encode(codec: str) -> bool:
    try:
        av.codec.Codec(codec, "w")
    except ValueError:  # PyAV's UnknownCodecError is a ValueError
        return False
    return True

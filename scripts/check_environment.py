"""Fail if a dependency dragged in a package that swaps or breaks PyTorch."""

import shutil
import sys
from importlib.metadata import distributions

import torch

FORBIDDEN = {"torchvision", "torchaudio", "timm"}

names = {(d.metadata["Name"] or "").lower() for d in distributions()}
if found := sorted(FORBIDDEN & names):
    sys.exit(f"expected none of {sorted(FORBIDDEN)}, found {found}: they replace or break PyTorch")
has_gpu = shutil.which("nvidia-smi") is not None
if torch.version.cuda is not None and not has_gpu:
    print(f"note: PyTorch {torch.__version__} is a CUDA build on a machine without a GPU")
    if any(name.startswith("nvidia-") for name in names):
        sys.exit("CUDA packages came in on a machine without a GPU; see README")
print(f"environment ok: torch {torch.__version__}, {len(names)} packages")

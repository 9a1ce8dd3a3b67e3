"""YAMNet, an AudioSet classifier in LiteRT's format: an outside judge of audio.

Nothing of this project was trained with it, so its verdict does not share the pocket world. The
weights are not shipped: the published builds take log-mel patches [1, 96, 64] and return 521
probabilities.

Source: Plakal and Ellis, "YAMNet", TensorFlow Models, 2019, on AudioSet (Gemmeke et al. 2017).
"""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.dsp.resample import resample
from seehear.errors import SettingsError, WeightsError
from seehear.metrics.features import vggish
from seehear.metrics.features.protocol import Features
from seehear.metrics.features.vggish import NUM_MELS, PATCH_FRAMES, SAMPLE_RATE

LOG_OFFSET = 0.001
PATCH_HOP = 48  # frames: patches overlap by half
LEAST_SAMPLES = 15_600  # one patch; shorter audio is padded with silence
NUM_CLASSES = 521
PEAK = 0.7  # audio is scaled to it, so that its level does not matter
LABEL_FILES = ("labels.json", "yamnet_class_map.csv")
_MAGIC = b"TFL3"  # of LiteRT files, at byte 4


def patches_of(
    waveform: Float[Tensor, "batch samples"],
) -> Float[Tensor, "batch patches 96 64"]:
    """Log-mel patches of 0.96 s of 16 kHz mono audio, 0.48 s apart. The remainder is dropped."""
    return vggish.patches_of(waveform, LOG_OFFSET, PATCH_HOP).float()


class Yamnet:
    """YAMNet with its preprocessing. Features and classes are the mean class probabilities."""

    sample_rate = SAMPLE_RATE

    def __init__(self, interpreter: Any, labels: tuple[str, ...]):
        """Combine the parts that `load` reads."""
        self.interpreter, self.labels = interpreter, labels

    @torch.no_grad()
    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """One row per clip: probabilities averaged over patches, and their logarithms as logits."""
        samples = resample(waveform.float(), sample_rate, SAMPLE_RATE)
        samples = functional.pad(samples, (0, max(0, LEAST_SAMPLES - samples.shape[1])))
        peak = samples.abs().amax(dim=1, keepdim=True)
        samples = samples * PEAK / peak.clamp(min=1e-9)
        probabilities = torch.stack([self._mean(patches) for patches in patches_of(samples)])
        return Features(probabilities, probabilities.clamp(min=1e-6).log())

    def _mean(self, patches: Float[Tensor, "patches 96 64"]) -> Float[Tensor, " classes"]:
        (given,), (found,) = (
            self.interpreter.get_input_details(),
            self.interpreter.get_output_details(),
        )
        rows = []
        for patch in patches:
            self.interpreter.set_tensor(given["index"], patch[None].numpy())
            self.interpreter.invoke()
            rows.append(self.interpreter.get_tensor(found["index"])[0].copy())
        return torch.from_numpy(np.mean(rows, axis=0, dtype=np.float64)).float()


def load(path: str | Path) -> Yamnet:
    """Load YAMNet from a .tflite file, or from the folder of one, with its labels beside it.

    Raises:
        WeightsError: The file is missing, damaged or of another network, or there are no labels.
        SettingsError: LiteRT is not installed.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.tflite"))
        if len(files) != 1:
            raise WeightsError(f"{path}: expected one .tflite file in the folder, got {len(files)}")
        path = files[0]
    if not path.is_file():
        raise WeightsError(f"{path}: expected a .tflite file, found none; check the path")
    with path.open("rb") as file:
        if file.read(8)[4:] != _MAGIC:
            raise WeightsError(f"{path}: expected a LiteRT model (.tflite), got another format")
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError as error:
        raise SettingsError(
            'YAMNet needs ai-edge-litert, which is not installed: pip install "seehear[yamnet]"'
        ) from error
    try:
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: expected a LiteRT model, cannot read it ({error})") from error
    shapes = [
        [list(map(int, tensor["shape"])) for tensor in tensors]
        for tensors in (interpreter.get_input_details(), interpreter.get_output_details())
    ]
    if shapes != [[[1, PATCH_FRAMES, NUM_MELS]], [[1, NUM_CLASSES]]]:
        raise WeightsError(
            f"{path}: expected YAMNet with log-mel input [1, {PATCH_FRAMES}, {NUM_MELS}] and "
            f"{NUM_CLASSES} classes, got {shapes[0]} and {shapes[1]}; give the build that takes "
            "spectra"
        )
    return Yamnet(interpreter, labels_of(path.parent))


def labels_of(folder: Path) -> tuple[str, ...]:
    """The names of AudioSet's classes, from `labels.json` or the published class map.

    Raises:
        WeightsError: Neither file is there, or it does not name 521 classes.
    """
    found = next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)
    if found is None:
        raise WeightsError(
            f"{folder}: expected the labels in {' or '.join(LABEL_FILES)} beside the model; copy "
            "one there"
        )
    try:
        text = found.read_text(encoding="utf-8")
        if found.suffix == ".json":
            names = json.loads(text)
        else:
            names = [row["display_name"] for row in csv.DictReader(text.splitlines())]
    except (ValueError, KeyError, OSError) as error:
        raise WeightsError(f"{found}: cannot be read as labels ({error!r})") from error
    is_fine = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_fine or len(names) != NUM_CLASSES:
        raise WeightsError(f"{found}: expected a list of {NUM_CLASSES} names of classes")
    return tuple(names)

"""The pocket judge: independent audio and image classifiers, used only for scores.

They share no weights, architecture, training seed or training scenes with the pocket binder, so
guidance cannot have optimised their scores.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seehear.dsp.mel import SAMPLE_RATE, log_mel_from_waveform
from seehear.dsp.resample import resample
from seehear.errors import WeightsError
from seehear.metrics.features.protocol import Features
from seehear.models.cache import read_json
from seehear.models.shipped import POCKET
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

PATCH_SAMPLES = 15_360  # 0.96 s, as for FAD with VGGish
SHIPPED = POCKET / "judge"


class Block(nn.Module):
    """Residual block of two 3x3 convolutions, followed by 2x2 average pooling."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.skip = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] to [b, c', h/2, w/2]."""
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return nn.functional.avg_pool2d(torch.relu(y + self.skip(x)), 2)


class Classifier(nn.Module):
    """Small residual network on a 2D input: pooled features and a linear classifier."""

    def __init__(self, channels_in: int, widths: Sequence[int], num_classes: int):
        super().__init__()
        pairs = zip((channels_in, *widths), widths, strict=False)
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in pairs))
        self.classes = nn.Linear(2 * widths[-1], num_classes)

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b dim"]:
        """Mean and maximum of the last feature maps over all positions."""
        maps = self.blocks(x)
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self.classes(self.features(x))


def sound_input(waveform: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch 1 frames 64"]:
    """Normalised log-mel of 16 kHz mono audio, at least 32 frames long."""
    mel = log_mel_from_waveform(waveform)[:, None]
    mel = nn.functional.pad(mel, (0, 0, 0, max(0, 64 - mel.shape[2])), value=-11.5)
    return normalised_mel(mel)


def normalised_mel(mel: Float[Tensor, "batch 1 frames 64"]) -> Float[Tensor, "batch 1 half 64"]:
    """Log-mel shifted and scaled around zero, at 50 frames per second, enough for classes."""
    return nn.functional.avg_pool2d((mel + 6.0) / 3.0, (2, 1))


def picture_input(frames: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 64 64"]:
    """Resize and normalise frames in [0, 1] for the image classifier."""
    small = nn.functional.interpolate(frames, (64, 64), mode="bilinear", antialias=True)
    return (small - 0.5) / 0.25


class Judge:
    """Classifies audio and images. Frozen; all methods run without gradient."""

    sample_rate = SAMPLE_RATE

    def __init__(self, sound: Classifier, picture: Classifier, classes: tuple[str, ...]):
        self.sound, self.picture, self.classes = sound.eval(), picture.eval(), classes

    @torch.no_grad()
    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Features and classes of mono waveforms in [-1, 1]."""
        features = self.sound_features(resample(waveform, sample_rate, SAMPLE_RATE))
        return Features(features, self.sound.classes(features))

    @torch.no_grad()
    def from_video(self, frames: Float[Tensor, "batch frames 3 h w"], fps: float) -> Features:
        """Features and classes of frames in [0, 1]. `fps` is ignored."""
        features = self.picture_features(frames)
        return Features(features, self.picture.classes(features))

    @torch.no_grad()
    def sound_logits(self, waveform: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch n"]:
        """Logits over `classes` for 16 kHz mono in [-1, 1]."""
        return self.sound(sound_input(waveform))

    @torch.no_grad()
    def sound_features(self, waveform: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch d"]:
        """Features for Fréchet distances, of 16 kHz mono in [-1, 1]."""
        return self.sound.features(sound_input(waveform))

    @torch.no_grad()
    def picture_logits(
        self, frames: Float[Tensor, "batch frames 3 h w"]
    ) -> Float[Tensor, "batch n"]:
        """Logits over `classes`, averaged over frames in [0, 1]."""
        return self.picture.classes(self.picture_features(frames))

    @torch.no_grad()
    def picture_features(
        self, frames: Float[Tensor, "batch frames 3 h w"]
    ) -> Float[Tensor, "batch d"]:
        """Features for Fréchet distances, averaged over frames in [0, 1]."""
        features = self.picture.features(picture_input(frames.flatten(0, 1)))
        return features.view(*frames.shape[:2], -1).mean(1)


class PatchJudge:
    """The audio classifier of the judge on patches of 0.96 s, for FAD."""

    sample_rate = SAMPLE_RATE

    def __init__(self, judge: Judge):
        self.sound = judge.sound

    @torch.no_grad()
    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Features per 0.96 s of mono waveforms in [-1, 1], the rows of the first clip first.

        Shorter clips are padded with silence. A remainder shorter than a patch is dropped.
        """
        samples = resample(waveform, sample_rate, SAMPLE_RATE)
        samples = nn.functional.pad(samples, (0, max(0, PATCH_SAMPLES - samples.shape[1])))
        patches = samples.unfold(1, PATCH_SAMPLES, PATCH_SAMPLES).flatten(0, 1)
        return Features(self.sound.features(sound_input(patches)))


def load_in_patches(source: str | Path | None = None) -> PatchJudge:
    """Load a judge as a `PatchJudge`."""
    return PatchJudge(load(source))


def load(source: str | Path | None = None) -> Judge:
    """Load a folder with config.json, sound.safetensors and picture.safetensors.

    Without a folder, the judge in the package is loaded.

    Raises:
        WeightsError: A file is missing, damaged or for another network.
    """
    folder = Path(source) if source else SHIPPED
    config = read_json(folder / "config.json")
    try:
        classes = tuple(config["classes"])
        widths = {kind: config[f"{kind}_widths"] for kind in ("sound", "picture")}
    except KeyError as error:
        raise WeightsError(
            f"{folder / 'config.json'}: expected settings of a pocket judge, but {error} is missing"
        ) from None

    def read(kind: str, channels_in: int) -> Classifier:
        path = folder / f"{kind}.safetensors"
        build = partial(Classifier, channels_in, widths[kind], len(classes))
        # The batch counts of BatchNorm are used only in training and not stored.
        counts = {k: v for k, v in build().state_dict().items() if k.endswith("batches_tracked")}
        return load_strict(build, counts | read_state_dict(path), path, published="a pocket judge")

    return Judge(read("sound", 1), read("picture", 3), classes)

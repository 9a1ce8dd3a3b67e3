"""The pocket binder: one embedding space for images, audio and text, on three small towers."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from seehear.dsp.mel import log_mel_from_waveform
from seehear.dsp.resample import resample
from seehear.errors import WeightsError
from seehear.guidance.protocols import NamingCalibration
from seehear.models.binders.pocket.aisfx import (
    SAMPLE_RATE,
    SfxNet,
    blocks_of,
    peak_normalised,
    sfx_mel_from_waveform,
)
from seehear.models.binders.pocket.efficientnet import EfficientNetLite0, views
from seehear.models.binders.pocket.heads import DIM, Heads
from seehear.models.binders.pocket.image_encoder import ImageEncoder
from seehear.models.binders.pocket.mel_encoder import MelEncoder, mel_blocks
from seehear.models.binders.pocket.minilm import SentenceEncoder
from seehear.models.frozen_layers import freeze
from seehear.models.shipped import POCKET

SHORTEST_S = 0.1
NUM_VIEWS = 8  # views of a clip
# On 184 photographs of known things, names that count as certain are right in 86 % of cases and
# cover 60 %; on 190 recordings 80 % and 8 %. `training/README.md` has the measurements.
VIDEO_NAMING = NamingCalibration(sharpness=1.5, sure=0.45, group=0.5)
AUDIO_NAMING = NamingCalibration(sharpness=15.0, sure=0.4, group=0.5)
TOWER_SHARE = 0.5  # weight of the audio tower in audio embeddings; the mel encoder has the rest


class PocketBinder(nn.Module):
    """A frozen `Binder` for images, audio and text, created by `load`.

    Every method returns float32 unit vectors (batch, 384). Their dot products compare any two
    modalities. Gradients flow to pixels and waveforms, but not to the weights.
    """

    video_naming = VIDEO_NAMING
    audio_naming = AUDIO_NAMING

    def __init__(
        self,
        image_tower: EfficientNetLite0,
        audio_tower: SfxNet,
        text_tower: SentenceEncoder,
        heads: Heads,
        ear: MelEncoder,
        eye: ImageEncoder,
        tower_share: float = TOWER_SHARE,
    ):
        super().__init__()
        self.image_tower = image_tower
        self.audio_tower = audio_tower
        self.text_tower = text_tower
        self.heads = heads
        self.ear = ear
        self.eye = eye
        self.tower_share = tower_share
        freeze(self)

    def embed_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch 384"]:
        """Embed RGB frames in [0, 1] of any size and number; an image is a video of one frame.

        At most 8 evenly spaced frames are embedded, with alternating crops (see
        `efficientnet.views`), and their unit vectors are averaged.

        Raises:
            ValueError: There is no frame, or a frame has no pixels.
        """
        if 0 in frames.shape[1:]:
            raise ValueError(
                f"expected frames (batch, frames, 3, height, width), got {tuple(frames.shape)}; "
                "pass at least one frame of at least one pixel"
            )
        features, logits = self._view_features(frames)
        each = self.heads.picture(features.flatten(0, 1), logits.flatten(0, 1))
        return functional.normalize(each.unflatten(0, logits.shape[:2]).mean(1), dim=1)

    def classify_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> tuple[Float[Tensor, "batch 1000"], Float[Tensor, "batch 384"]]:
        """ImageNet probabilities, and the mean embedding of the views before normalisation."""
        features, logits = self._view_features(frames)
        each = self.heads.picture.unnormalised(features.flatten(0, 1), logits.flatten(0, 1))
        return logits.softmax(-1).mean(1), each.unflatten(0, logits.shape[:2]).mean(1)

    def _view_features(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> tuple[Float[Tensor, "batch views 1280"], Float[Tensor, "batch views 1000"]]:
        crops = views(frames.float(), NUM_VIEWS)
        features, logits = self.image_tower(crops.flatten(0, 1).to(self.image_dtype))
        size = crops.shape[:2]
        return features.float().unflatten(0, size), logits.float().unflatten(0, size)

    def embed_noisy_frames(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch 384"]:
        """Embed RGB frames in [0, 1] with the noise-robust image encoder, for guidance.

        All frames are embedded, and their unit vectors are averaged.
        """
        each = self.eye(frames.flatten(0, 1).float()).unflatten(0, frames.shape[:2])
        return functional.normalize(each.mean(1), dim=1)

    def embed_audio(
        self, waveform: Float[Tensor, "batch samples"], sample_rate: int
    ) -> Float[Tensor, "batch 384"]:
        """Embed mono waveforms of any sample rate and at least 0.1 s, independent of loudness.

        Frequencies up to 8 kHz are used. Evenly spaced blocks of 2.3 s are embedded and averaged.

        Raises:
            ValueError: The waveform is shorter than 0.1 s.
        """
        if waveform.shape[1] < SHORTEST_S * sample_rate:
            raise ValueError(
                f"expected a waveform of at least {SHORTEST_S} s, got "
                f"{waveform.shape[1] / sample_rate:.3f} s at {sample_rate} Hz; pass a longer one"
            )
        waveform = peak_normalised(resample(waveform.float(), sample_rate, SAMPLE_RATE))
        total = torch.zeros(len(waveform), DIM, device=waveform.device)
        if self.tower_share > 0:
            blocks = blocks_of(sfx_mel_from_waveform(waveform))
            maps = self.audio_tower.maps(blocks.flatten(0, 1).to(self.audio_dtype))
            each = self.heads.sound(maps.float()).unflatten(0, blocks.shape[:2])
            total = total + self.tower_share * functional.normalize(each.mean(1), dim=1)
        if self.tower_share < 1:
            total = total + (1 - self.tower_share) * self.embed_mel(log_mel_from_waveform(waveform))
        return functional.normalize(total, dim=1)

    def embed_mel(self, mel: Float[Tensor, "batch frames 64"]) -> Float[Tensor, "batch 384"]:
        """Embed log mels (`seehear.dsp.mel`) with the mel encoder, for guidance without a vocoder.

        The embedding is independent of loudness. Evenly spaced blocks of 2.56 s are averaged.
        """
        blocks = mel_blocks(mel.float())
        each = self.ear(blocks.flatten(0, 1)).unflatten(0, blocks.shape[:2])
        return functional.normalize(each.mean(1), dim=1)

    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "batch 384"]:
        """Embed English sentences or phrases, cut to 128 word pieces."""
        return self.heads.text(self.text_tower(prompts))

    @property
    def image_dtype(self) -> torch.dtype:
        """Data type of the image tower."""
        return self.image_tower.stem.weight.dtype

    @property
    def audio_dtype(self) -> torch.dtype:
        """Data type of the audio tower."""
        return next(self.audio_tower.parameters()).dtype


def _read_into(module: nn.Module, path: Path) -> None:
    """Load float16 weights from a safetensors file into a float32 module."""
    if not path.is_file():
        raise WeightsError(
            f"{path}: expected weights of the pocket binder, found no file; reinstall seehear or "
            "pass a folder with text/ and binder/"
        )
    try:
        module.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: expected weights of the pocket binder, got others: {error}"
        ) from error


def load(
    source: str | Path | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    lean: bool = False,
    tower_share: float = TOWER_SHARE,
) -> PocketBinder:
    """Load the pocket binder, by default the one that ships with the package.

    Args:
        source: A folder with `binder/` (five safetensors files) and `text/` (a BERT in
            transformers' format); None is the shipped one.
        device: Device of the networks.
        dtype: Data type of the image and the audio tower; bfloat16 is faster on hardware with
            bfloat16 instructions. All other parts stay in float32.
        lean: Has no effect: these networks are small and stay on the device.
        tower_share: Weight of the pretrained audio tower in audio embeddings, in [0, 1]; the mel
            encoder has the rest. At 0 or 1 the other network is not run.

    Raises:
        WeightsError: A file is missing or has other contents.
    """
    folder = POCKET if source is None else Path(source)
    picture, sound, heads, ear, eye = (
        EfficientNetLite0(),
        SfxNet(),
        Heads(),
        MelEncoder(),
        ImageEncoder(),
    )
    _read_into(picture, folder / "binder" / "efficientnet_lite0.safetensors")
    _read_into(sound, folder / "binder" / "aisfx.safetensors")
    _read_into(heads, folder / "binder" / "heads.safetensors")
    _read_into(ear, folder / "binder" / "ear.safetensors")
    _read_into(eye, folder / "binder" / "eye.safetensors")
    if not (folder / "text" / "config.json").is_file():
        raise WeightsError(
            f"{folder / 'text'}: expected a text encoder in transformers' format, found no "
            "config.json; reinstall seehear or pass a folder with text/ and binder/"
        )
    binder = PocketBinder(
        # PyTorch's stubs lack this argument of `Module.to`.
        picture.to(dtype).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        sound.to(dtype).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        SentenceEncoder(folder / "text"),
        heads,
        ear,
        eye,
        tower_share,
    )
    return binder.to(device)

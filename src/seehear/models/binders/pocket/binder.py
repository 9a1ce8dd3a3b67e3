"""The pocket binder: picture, sound and text in one space, on three small pretrained towers."""

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
NUM_LOOKS = 8  # at a clip
TOWER_SHARE = 0.5  # of the sound tower in a sound's embedding; the ear has the rest


class PocketBinder(nn.Module):
    """Says how well a picture, a sound and a sentence belong together. A `Binder`; frozen.

    Made by `load`. Every method returns unit vectors, float32, shape (batch, 384), whose dot
    products compare any two kinds. Gradients reach pixels and waveforms, never the weights.
    """

    def __init__(
        self,
        picture_tower: EfficientNetLite0,
        sound_tower: SfxNet,
        text_tower: SentenceEncoder,
        heads: Heads,
        ear: MelEncoder,
        eye: ImageEncoder,
        tower_share: float = TOWER_SHARE,
    ):
        super().__init__()
        self.picture_tower = picture_tower
        self.sound_tower = sound_tower
        self.text_tower = text_tower
        self.heads = heads
        self.ear = ear
        self.eye = eye
        self.tower_share = tower_share
        freeze(self)

    def embed_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch 384"]:
        """Embed RGB frames in [0, 1] of any size and number; a picture is a video of one frame.

        At most 8 frames, evenly spaced, are looked at, from near and far in turn (see
        `efficientnet.views`); their unit vectors are averaged.

        Raises:
            ValueError: no frame, or a side of no pixels.
        """
        if 0 in frames.shape[1:]:
            raise ValueError(
                f"expected frames (batch, frames, 3, height, width), got {tuple(frames.shape)}; "
                "pass at least one frame of at least one pixel"
            )
        looks = views(frames.float(), NUM_LOOKS)
        features, logits = self.picture_tower(looks.flatten(0, 1).to(self.picture_dtype))
        each = self.heads.picture(features.float(), logits.float())
        return functional.normalize(each.unflatten(0, looks.shape[:2]).mean(1), dim=1)

    def embed_noisy_frames(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch 384"]:
        """Embed RGB frames in [0, 1] by the eye alone: what guidance uses while they are made.

        All frames are looked at; their unit vectors are averaged.
        """
        each = self.eye(frames.flatten(0, 1).float()).unflatten(0, frames.shape[:2])
        return functional.normalize(each.mean(1), dim=1)

    def embed_audio(
        self, waveform: Float[Tensor, "batch samples"], sample_rate: int
    ) -> Float[Tensor, "batch 384"]:
        """Embed mono waveforms of any rate and length from 0.1 s; loudness does not matter.

        Reads up to 8 kHz. Blocks of 2.3 s, evenly placed, are embedded and averaged.

        Raises:
            ValueError: the waveform is shorter than 0.1 s.
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
            maps = self.sound_tower.maps(blocks.flatten(0, 1).to(self.sound_dtype))
            each = self.heads.sound(maps.float()).unflatten(0, blocks.shape[:2])
            total = total + self.tower_share * functional.normalize(each.mean(1), dim=1)
        if self.tower_share < 1:
            total = total + (1 - self.tower_share) * self.embed_mel(log_mel_from_waveform(waveform))
        return functional.normalize(total, dim=1)

    def embed_mel(self, mel: Float[Tensor, "batch frames 64"]) -> Float[Tensor, "batch 384"]:
        """Embed log mels (`seehear.dsp.mel`) by the ear alone: what guidance uses, without a
        vocoder.

        Loudness does not matter; blocks of 2.56 s, evenly placed, are embedded and averaged.
        """
        blocks = mel_blocks(mel.float())
        each = self.ear(blocks.flatten(0, 1)).unflatten(0, blocks.shape[:2])
        return functional.normalize(each.mean(1), dim=1)

    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "batch 384"]:
        """Embed English sentences or phrases; what is beyond 128 word pieces is not read."""
        return self.heads.text(self.text_tower(prompts))

    @property
    def picture_dtype(self) -> torch.dtype:
        """What the picture tower computes in."""
        return self.picture_tower.stem.weight.dtype

    @property
    def sound_dtype(self) -> torch.dtype:
        """What the sound tower computes in."""
        return next(self.sound_tower.parameters()).dtype


def _read_into(module: nn.Module, path: Path) -> None:
    """Load float16 weights from a safetensors file into a float32 module."""
    if not path.is_file():
        raise WeightsError(
            f"{path}: expected weights of the pocket binder, found no file; install seehear again "
            "or name a folder with text/ and binder/"
        )
    try:
        module.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise WeightsError(f"{path}: not weights of the pocket binder: {error}") from error


def load(
    source: str | Path | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    lean: bool = False,
    tower_share: float = TOWER_SHARE,
) -> PocketBinder:
    """Load the pocket binder; without a source the one that ships with the package.

    Args:
        source: A folder with `binder/` (five safetensors files) and `text/` (a BERT in
            transformers' format); None for the shipped one.
        device: Where it computes.
        dtype: What the picture and the sound tower compute in; bfloat16 is faster where the
            machine has it. Front ends, heads, ear, eye and text stay float32.
        lean: Has no effect: these networks are small and stay on the device.
        tower_share: How much the pretrained sound tower has to say beside the ear, in [0, 1].
            At 0 or 1 the other one is not even run.

    Raises:
        WeightsError: the folder lacks a file, or a file holds something else.
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
            "config.json; install seehear again or name a folder with text/ and binder/"
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

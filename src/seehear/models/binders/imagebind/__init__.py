"""ImageBind, the binder of the paper. Its weights are downloaded (licence CC BY-NC-SA 4.0).

Source: Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All", arXiv:2305.05665.
The code is our own. Only weight names and preprocessing constants follow the original.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.dsp.resample import resample
from seehear.errors import SettingsError, WeightsError
from seehear.models.binders.imagebind.audio_input import SAMPLE_RATE, WINDOW_SAMPLES, audio_input
from seehear.models.binders.imagebind.tokenizer import Tokenizer
from seehear.models.binders.imagebind.towers import (
    MODALITIES,
    ImageBindTowers,
    Modality,
    towers_from_state,
)
from seehear.models.binders.imagebind.vision_input import Crop, vision_input
from seehear.models.cache import cache_dir, read_json, weight_files
from seehear.models.weights import read_state_dict

OFFLOAD_DEVICE = "cpu"  # device of offloaded towers


@dataclass(frozen=True, kw_only=True)
class ImageBindConfig:
    """Which parts of a clip ImageBind embeds."""

    clip_duration_s: float = 2.0  # of an audio clip; as ImageBind. The authors' code uses 1
    num_clips: int = 3  # audio clips, evenly spaced; as ImageBind. Authors: one per second
    num_video_clips: int = 5  # pairs of frames, evenly spaced; as ImageBind
    crop: Crop = "three"  # square crops of each pair; as ImageBind. The authors' code squashes

    def __post_init__(self):
        if self.clip_duration_s < 0.1 or min(self.num_clips, self.num_video_clips) < 1:
            raise SettingsError(
                "expected clips of at least 0.1 s and at least one of each kind, got "
                f"clip_duration_s={self.clip_duration_s}, num_clips={self.num_clips}, "
                f"num_video_clips={self.num_video_clips}"
            )


def clip_bounds(num_samples: int, config: ImageBindConfig) -> list[tuple[int, int]]:
    """Start and end sample (exclusive) of evenly spaced audio clips, at 16 kHz.

    In short audio the clips overlap or coincide. No clip ends after the audio.
    """
    limit = max(num_samples / SAMPLE_RATE - config.clip_duration_s, 0)
    length = round(config.clip_duration_s * SAMPLE_RATE)
    # Exact fractions: float rounding shifts the start of some clips by a sample, and one sample
    # flips the sign of a tenth of all latent gradients.
    last = max(config.num_clips - 1, 1)
    starts = [int(SAMPLE_RATE * Fraction(limit) * k / last) for k in range(config.num_clips)]
    return [(start, min(start + length, num_samples)) for start in starts]


class ImageBind:
    """The binder: unit embeddings of audio, frames and text, differentiable in tensors."""

    def __init__(
        self,
        towers: ImageBindTowers,
        config: ImageBindConfig | None = None,
        tokenizer: Tokenizer | None = None,
        mel_bank: Float[Tensor, "mels bins"] | None = None,
        device: torch.device | str | None = None,
        lean: bool = False,
    ):
        """Build from components; `load` reads them from files.

        Args:
            towers: The networks.
            config: Which parts of a clip to embed.
            tokenizer: Tokenizer, needed for text only.
            mel_bank: Mel filter weights instead of our own, for exact comparisons.
            device: Device for computing; None is the device of the towers.
            lean: Offload a tower to the CPU after a call without gradients.
        """
        self.towers = towers
        self.config = config or ImageBindConfig()
        self.tokenizer = tokenizer
        self.mel_bank = mel_bank
        weight = next(towers.parameters())
        self.device, self.dtype = torch.device(device or weight.device), weight.dtype
        self.lean = lean

    def embed_audio(
        self, waveform: Float[Tensor, "batch samples"], sample_rate: int
    ) -> Float[Tensor, "batch dim"]:
        """Embed mono waveforms in [-1, 1] of at least 0.1 s.

        Raises:
            ValueError: The waveform is shorter than one 25 ms frame.
        """
        audio = resample(waveform.to(self.device), sample_rate, SAMPLE_RATE)
        if audio.shape[-1] < WINDOW_SAMPLES:
            raise ValueError(
                f"expected at least 0.1 s of audio, got {waveform.shape[-1] / sample_rate:.3f} s"
            )
        bounds = clip_bounds(audio.shape[-1], self.config)
        # Mel spectra are computed in float32 or wider; bfloat16 is too coarse for power spectra.
        distinct = {bound: audio[:, slice(*bound)] for bound in dict.fromkeys(bounds)}
        inputs = audio_input(torch.cat(list(distinct.values())), self.mel_bank).to(self.dtype)
        by_clip = dict(zip(distinct, inputs.split(len(waveform)), strict=True))
        clips = torch.stack([by_clip[bound] for bound in bounds], dim=1)
        with self._on_device("audio"):
            return _unit(self.towers.embed_audio(clips), waveform)

    def embed_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed RGB frames in [0, 1]; an image is a video of one frame."""
        clips = vision_input(
            frames.to(self.device), self.config.num_video_clips, self.config.crop
        ).to(self.dtype)
        with self._on_device("vision"):
            return _unit(self.towers.embed_vision(clips), frames)

    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "batch dim"]:
        """Embed sentences.

        Raises:
            WeightsError: The binder was loaded without a vocabulary.
        """
        if self.tokenizer is None:
            raise WeightsError(
                "expected CLIP's vocabulary for ImageBind's text tower, found none; put vocab.json "
                "and merges.txt of any CLIP checkpoint beside the weights, load with "
                "vocabulary=FOLDER, or run `seehear models pull imagebind` to download both"
            )
        with self._on_device("text"):
            embedding = self.towers.embed_text(self.tokenizer(prompts).to(self.device))
        return _unit(embedding, embedding)

    @contextmanager
    def _on_device(self, modality: Modality) -> Iterator[None]:
        """A context with a tower on the device; if lean, it is offloaded without gradients."""
        if not self.lean:
            yield
            return
        self.towers.move(modality, self.device)
        yield
        if not torch.is_grad_enabled():
            self.towers.move(modality, OFFLOAD_DEVICE)


def load(
    source: str | Path,
    *,
    trunks: Sequence[Modality] = MODALITIES,
    clip_duration_s: float = ImageBindConfig.clip_duration_s,
    num_clips: int = ImageBindConfig.num_clips,
    num_video_clips: int = ImageBindConfig.num_video_clips,
    crop: Crop = ImageBindConfig.crop,
    vocabulary: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    lean: bool = False,
) -> ImageBind:
    """Load ImageBind from its weight file or from a folder that holds one.

    Args:
        source: imagebind_huge.pth, its conversion to .safetensors, or the folder of either. For
            other sizes a config.json beside it gives the heads, {"vision": {"heads": 16}, ...}.
        trunks: The towers to load.
        clip_duration_s: Length of an audio clip in seconds.
        num_clips: Audio clips per waveform.
        num_video_clips: Pairs of frames per video.
        crop: How to make frames square.
        vocabulary: Folder with CLIP's vocab.json and merges.txt, for text; None: the folder of the
            weights or the cache folder, if one of them has the files.
        device: Device for computing.
        dtype: Data type of the towers.
        lean: Keep each tower on the CPU while it is not needed.

    Raises:
        WeightsError: There is no such file, or it is not ImageBind's state dict.
    """
    path = Path(source)
    if path.is_dir():
        files = weight_files(path)
        if len(files) != 1:
            raise WeightsError(
                f"{path}: expected one weight file in the folder, found {len(files)}; pass the "
                "file itself, e.g. imagebind_huge.pth"
            )
        path = files[0]
    found = vocabulary or vocabulary_near(path)
    state = read_state_dict(path)
    sizes = path.with_name("config.json")
    heads = None
    if sizes.is_file():
        heads = _heads(sizes, trunks)
    return ImageBind(
        towers_from_state(state, trunks, heads=heads, dtype=dtype).to(
            OFFLOAD_DEVICE if lean else device
        ),
        ImageBindConfig(
            clip_duration_s=clip_duration_s,
            num_clips=num_clips,
            num_video_clips=num_video_clips,
            crop=crop,
        ),
        None if found is None else Tokenizer(found),
        device=device,
        lean=lean,
    )


def vocabulary_near(weights: Path) -> Path | None:
    """The folder with CLIP's vocabulary: that of the weights, or the model cache."""
    folders = (weights.parent, cache_dir() / "imagebind")
    return next((folder for folder in folders if (folder / "merges.txt").is_file()), None)


def _heads(config: Path, trunks: Sequence[Modality]) -> dict[Modality, int]:
    """The number of attention heads of every trunk, from a config.json of our own.

    Raises:
        WeightsError: One is missing or no positive number.
    """
    heads: dict[Modality, int] = {}
    record = read_json(config)
    for name in trunks:
        entry = record.get(name) if isinstance(record, dict) else None
        number = entry.get("heads") if isinstance(entry, dict) else None
        if type(number) is not int or number < 1:
            raise WeightsError(
                f"{config}: expected a number of heads for {name}, got {number!r:.60}; delete the "
                "file for the sizes of imagebind_huge"
            )
        heads[name] = number
    return heads


def _unit(embedding: Tensor, like: Tensor) -> Float[Tensor, "batch dim"]:
    """The embedding normalised, in float32 or the wider type of `like`."""
    wide = torch.promote_types(like.dtype, torch.float32)
    return functional.normalize(embedding.to(wide), dim=-1)

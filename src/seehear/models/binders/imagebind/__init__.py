"""ImageBind: the binder of the paper, with weights that must be fetched (CC BY-NC-SA 4.0).

Source: Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All", arXiv:2305.05665.
The code is our own; only names of weights and numbers of the front ends follow the original.
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

AWAY = "cpu"  # where towers are that are not needed


@dataclass(frozen=True, kw_only=True)
class ImageBindConfig:
    """Which parts of a clip ImageBind hears and sees."""

    clip_duration_s: float = 2.0  # of a sound clip; ImageBind's. The authors' code takes 1
    num_clips: int = 3  # sound clips, evenly spread; ImageBind's. The authors': one per second
    num_video_clips: int = 5  # pairs of frames, evenly spread; ImageBind's
    crop: Crop = "three"  # squares cut from each pair; ImageBind's. The authors' code squashes

    def __post_init__(self):
        if self.clip_duration_s < 0.1 or min(self.num_clips, self.num_video_clips) < 1:
            raise SettingsError(
                "expected clips of at least 0.1 s and at least one of each kind, got "
                f"clip_duration_s={self.clip_duration_s}, num_clips={self.num_clips}, "
                f"num_video_clips={self.num_video_clips}"
            )


def clip_bounds(num_samples: int, config: ImageBindConfig) -> list[tuple[int, int]]:
    """First and past-the-end sample of each evenly spread sound clip, at 16 kHz.

    Clips overlap, or coincide, where the sound is short; ends never lie behind it.
    """
    limit = max(num_samples / SAMPLE_RATE - config.clip_duration_s, 0)
    length = round(config.clip_duration_s * SAMPLE_RATE)
    # Exact fractions: rounding the start in floats moves some clips by a sample, and one sample
    # is enough to flip the sign of a tenth of all latent gradients.
    last = max(config.num_clips - 1, 1)
    starts = [int(SAMPLE_RATE * Fraction(limit) * k / last) for k in range(config.num_clips)]
    return [(start, min(start + length, num_samples)) for start in starts]


class ImageBind:
    """The binder: unit embeddings of sound, frames and text, differentiable in tensors."""

    def __init__(
        self,
        towers: ImageBindTowers,
        config: ImageBindConfig | None = None,
        tokenizer: Tokenizer | None = None,
        mel_bank: Float[Tensor, "mels bins"] | None = None,
        device: torch.device | str | None = None,
        lean: bool = False,
    ):
        """Put parts together; `load` does it from files.

        Args:
            towers: The networks.
            config: Which parts of a clip to look at.
            tokenizer: Needed for text alone.
            mel_bank: Mel weights instead of our own table; for exact comparisons.
            device: Where to compute; None: where the towers are.
            lean: A tower that has embedded a condition, without gradients, leaves the device.
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
            ValueError: shorter than one 25 ms frame.
        """
        heard = resample(waveform.to(self.device), sample_rate, SAMPLE_RATE)
        if heard.shape[-1] < WINDOW_SAMPLES:
            raise ValueError(
                f"expected at least 0.1 s of sound, got {waveform.shape[-1] / sample_rate:.3f} s"
            )
        bounds = clip_bounds(heard.shape[-1], self.config)
        # The front end works in float32 or wider: bfloat16 has too few digits for power spectra.
        distinct = {bound: heard[:, slice(*bound)] for bound in dict.fromkeys(bounds)}
        inputs = audio_input(torch.cat(list(distinct.values())), self.mel_bank).to(self.dtype)
        by_clip = dict(zip(distinct, inputs.split(len(waveform)), strict=True))
        clips = torch.stack([by_clip[bound] for bound in bounds], dim=1)
        with self._visiting("audio"):
            return _unit(self.towers.embed_audio(clips), waveform)

    def embed_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed RGB frames in [0, 1]; a picture is a video of one frame."""
        clips = vision_input(
            frames.to(self.device), self.config.num_video_clips, self.config.crop
        ).to(self.dtype)
        with self._visiting("vision"):
            return _unit(self.towers.embed_vision(clips), frames)

    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "batch dim"]:
        """Embed sentences.

        Raises:
            WeightsError: the binder was loaded without a vocabulary.
        """
        if self.tokenizer is None:
            raise WeightsError(
                "ImageBind's text tower needs CLIP's vocabulary: put vocab.json and merges.txt of "
                "any CLIP checkpoint beside the weights, load with vocabulary=FOLDER, or let "
                "`seehear models pull imagebind` fetch both"
            )
        with self._visiting("text"):
            embedding = self.towers.embed_text(self.tokenizer(prompts).to(self.device))
        return _unit(embedding, embedding)

    @contextmanager
    def _visiting(self, modality: Modality) -> Iterator[None]:
        """Have a tower on the device; if lean, one that no gradient needs goes away again."""
        if not self.lean:
            yield
            return
        self.towers.move(modality, self.device)
        yield
        if not torch.is_grad_enabled():
            self.towers.move(modality, AWAY)


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
        source: imagebind_huge.pth, the same as .safetensors, or their folder. A config.json
            beside it may give the heads of another size, {"vision": {"heads": 16}, ...}.
        trunks: Which towers to keep in memory.
        clip_duration_s: Length of a sound clip.
        num_clips: Sound clips per waveform.
        num_video_clips: Pairs of frames per video.
        crop: How to make frames square.
        vocabulary: Folder with CLIP's vocab.json and merges.txt, for text; None: the folder of the
            weights or the cache folder, if one of them has them.
        device: Where to put the towers.
        dtype: What they compute in.
        lean: Each tower is on the device while it is needed, and otherwise in the computer's own
            memory.

    Raises:
        WeightsError: no such file, or not ImageBind's state dict.
    """
    path = Path(source)
    if path.is_dir():
        files = weight_files(path)
        if len(files) != 1:
            raise WeightsError(
                f"{path}: expected one weight file in the folder, found {len(files)}; name the "
                "file, e.g. imagebind_huge.pth"
            )
        path = files[0]
    found = vocabulary or vocabulary_near(path)
    state = read_state_dict(path)
    sizes = path.with_name("config.json")
    heads = None
    if sizes.is_file():
        heads = {m: int(read_json(sizes)[m]["heads"]) for m in trunks}
    return ImageBind(
        towers_from_state(state, trunks, heads=heads, dtype=dtype).to(AWAY if lean else device),
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
    """The folder with CLIP's vocabulary: that of the weights, or where `models pull` puts it."""
    folders = (weights.parent, cache_dir() / "imagebind")
    return next((folder for folder in folders if (folder / "merges.txt").is_file()), None)


def _unit(embedding: Tensor, like: Tensor) -> Float[Tensor, "batch dim"]:
    """Unit length, in float32 or the input's wider type."""
    wide = torch.promote_types(like.dtype, torch.float32)
    return functional.normalize(embedding.to(wide), dim=-1)

"""A binder of fixed random matrices: cheap, smooth and untrained, for tests and examples."""

import zlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, normalize

PATCHES = 4  # a frame is reduced to 4 x 4 mean colours


class RandomLinearBinder:
    """Embeddings are random projections of means over time, without semantic meaning."""

    def __init__(
        self,
        audio: Float[Tensor, "period dim"],
        video: Float[Tensor, "pixels dim"],
        seed: int,
    ):
        self.audio, self.video, self.seed = audio, video, seed

    def embed_audio(
        self, waveform: Float[Tensor, "batch samples"], sample_rate: int
    ) -> Float[Tensor, "batch dim"]:
        """Average the waveform over periods and project it."""
        period = len(self.audio)
        missing = -waveform.shape[1] % period
        folds = torch.nn.functional.pad(waveform, (0, missing)).unflatten(1, (-1, period))
        return normalize(folds.mean(dim=1) @ self.audio.to(waveform), dim=-1)

    def embed_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Average over time and patches, and project."""
        pooled = adaptive_avg_pool2d(frames.mean(dim=1), PATCHES).flatten(1)
        return normalize(pooled @ self.video.to(frames), dim=-1)

    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "batch dim"]:
        """A fixed pseudo-random unit vector per sentence."""
        return torch.cat([self._direction(prompt) for prompt in prompts])

    def _direction(self, prompt: str) -> Float[Tensor, "1 dim"]:
        noise = torch.Generator().manual_seed(zlib.crc32(prompt.encode()) + self.seed)
        dim = self.audio.shape[1]
        return normalize(torch.randn(1, dim, generator=noise, dtype=self.audio.dtype))


def load(
    source: None = None,
    *,
    dim: int = 8,
    period: int = 8,
    seed: int = 0,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
    lean: bool = False,
) -> RandomLinearBinder:
    """Create a binder with random matrices.

    Args:
        source: There are no weights to read.
        dim: Size of an embedding.
        period: Period in samples over which the waveform is averaged.
        device: Device of the matrices.
        lean: Has no effect.
        seed: Seed of the matrices and of the text embeddings.
        dtype: Data type of text embeddings; media embeddings keep the type of the media.
    """
    noise = torch.Generator().manual_seed(seed)
    return RandomLinearBinder(
        audio=torch.randn(period, dim, generator=noise, dtype=dtype).to(device),
        video=torch.randn(3 * PATCHES**2, dim, generator=noise, dtype=dtype).to(device),
        seed=seed,
    )

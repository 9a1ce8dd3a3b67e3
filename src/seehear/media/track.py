"""Settings of the audio track of an output. This module does not import PyTorch."""

from dataclasses import dataclass
from typing import Literal

from seehear.errors import SettingsError

MIN_RATE, MAX_RATE = 8000, 192_000
MAX_GAIN_DB, MAX_DUCK_DB = 60.0, 60.0


@dataclass(frozen=True, kw_only=True)
class Track:
    """Settings of the audio track of an output. They do not affect what is generated."""

    keep: Literal["replace", "mix"] = "replace"  # mix: keep the video's own audio
    gain_db: float = 0.0  # gain of the new audio in a mix
    duck_db: float = 0.0  # most that new audio is lowered in a mix while the other audio is loud
    is_stereo: bool = False  # two equal channels instead of one
    is_pcm: bool = False  # 24-bit PCM: in .mov, .mkv, .wav, .aif and .flac
    sample_rate: int | None = None  # of audio files in Hz; None: the model's. Videos have 48 kHz.

    def __post_init__(self):
        if not abs(self.gain_db) <= MAX_GAIN_DB or not 0 <= self.duck_db <= MAX_DUCK_DB:
            raise SettingsError(
                f"expected a gain of at most {MAX_GAIN_DB:g} dB either way and ducking of 0 to "
                f"{MAX_DUCK_DB:g} dB, got {self.gain_db:g} and {self.duck_db:g}"
            )
        if self.keep != "mix" and (self.gain_db or self.duck_db):
            raise SettingsError("expected a mix for a gain or ducking; add --mix, or use --lufs")
        if self.sample_rate is not None and not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise SettingsError(
                f"expected a sample rate of {MIN_RATE} to {MAX_RATE} Hz, got {self.sample_rate}"
            )

"""Settings of the audio track of an output. This module does not import PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seehear.errors import SettingsError
from seehear.media.suffixes import PCM_OUTPUTS, RATED_OUTPUTS, VIDEO_OUTPUTS

# Every format that has a rate of its own supports these.
RATES = (
    8000,
    11_025,
    12_000,
    16_000,
    22_050,
    24_000,
    32_000,
    44_100,
    48_000,
    88_200,
    96_000,
    192_000,
)
MAX_GAIN_DB, MAX_DUCK_DB = 60.0, 60.0
EFFECTS, ORIGINAL = "_effects.wav", "_original.wav"  # ends of the names of stems


def stem_paths(path: Path, track: "Track") -> list[Path]:
    """The stems of a video output: the new audio and, in a mix, the video's own audio."""
    if not track.has_stems:
        return []
    ends = (EFFECTS, ORIGINAL) if track.keep == "mix" else (EFFECTS,)
    return [path.with_name(path.stem + end) for end in ends]


@dataclass(frozen=True, kw_only=True)
class Track:
    """Settings of the audio track of an output. They do not affect what is generated."""

    keep: Literal["replace", "mix"] = "replace"  # mix: keep the video's own audio
    gain_db: float = 0.0  # gain of the new audio in a mix
    duck_db: float = 0.0  # most that new audio is lowered in a mix while the other audio is loud
    is_stereo: bool = False  # two equal channels instead of one
    is_pcm: bool = False  # 24-bit PCM: in .mov, .mkv, .wav, .aif and .flac
    sample_rate: int | None = None  # of audio files in Hz; None: the model's. Videos have 48 kHz.
    has_stems: bool = False  # also write the parts of the track, see `stem_paths`

    def __post_init__(self):
        if not abs(self.gain_db) <= MAX_GAIN_DB or not 0 <= self.duck_db <= MAX_DUCK_DB:
            raise SettingsError(
                f"expected a gain of at most {MAX_GAIN_DB:g} dB either way and ducking of 0 to "
                f"{MAX_DUCK_DB:g} dB, got {self.gain_db:g} and {self.duck_db:g}"
            )
        if self.keep != "mix" and (self.gain_db or self.duck_db):
            raise SettingsError("expected a mix for a gain or ducking; add --mix, or use --lufs")
        if self.sample_rate is not None and self.sample_rate not in RATES:
            raise SettingsError(
                f"expected a sample rate of {', '.join(map(str, RATES))} Hz, got {self.sample_rate}"
            )

    def check(self, suffix: str) -> None:
        """Refuse settings that have no effect in a file with this suffix.

        Raises:
            SettingsError: A mix, PCM or a sample rate that the format does not have.
        """
        suffix = suffix.lower()
        if self.keep == "mix" and suffix not in VIDEO_OUTPUTS:
            raise SettingsError(
                f"--mix keeps the video's own audio, so it needs a video output, got {suffix}; end "
                "the name in .mp4, or drop --mix"
            )
        if self.has_stems and suffix not in VIDEO_OUTPUTS:
            raise SettingsError(
                f"--stems writes the parts of a video's audio track, so it needs a video output, "
                f"got {suffix}; end the name in .mp4, or drop --stems"
            )
        if self.is_pcm and suffix not in PCM_OUTPUTS:
            raise SettingsError(
                f"expected {', '.join(PCM_OUTPUTS)} for PCM audio, got {suffix}; drop --pcm"
            )
        if self.sample_rate is not None and suffix not in RATED_OUTPUTS:
            raise SettingsError(
                f"expected {', '.join(RATED_OUTPUTS)} for another sample rate, got {suffix}, which "
                "has 48 kHz; drop --audio-rate"
            )

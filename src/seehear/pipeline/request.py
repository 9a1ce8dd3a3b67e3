"""A request: the options of one output, before any file is read or model loaded."""

from dataclasses import dataclass, replace
from pathlib import Path

from seehear.errors import SettingsError
from seehear.media.suffixes import is_media_name
from seehear.media.track import Track
from seehear.pipeline.presets import Preset, with_overrides
from seehear.pipeline.shot_list import AUTO, read_shots
from seehear.pipeline.task import TASKS, TaskName


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one output, as values that fit a table cell. None leaves a value open."""

    task: TaskName
    source: Path | None = None  # the input file; None for joint
    prompt: str | None = None  # None: the captioner or the binder writes it; "": no prompt
    audio_prompt: str | None = None  # for the audio; None: `prompt`
    video_prompt: str | None = None  # for the video; None: `prompt`
    negative: str | None = None  # what the output should not contain
    veto: str | None = None  # what guidance avoids: text, or a file with a known suffix
    like: str | None = None  # a file that the output should resemble
    like_strength: float = 0.0  # how much of the recording `like` to keep, from 0 to below 1
    seed: int = 0
    preset: str = "default"
    steps: int | None = None  # None: the preset's, as for the two below
    lr: float | None = None
    sync: float | None = None
    lufs: str | None = None  # loudness of the audio in LUFS, or "off"
    duration_s: float | None = None  # for tasks with `Task.has_duration`
    from_s: float | None = None  # generate only this region of a clip's audio; None: its start
    to_s: float | None = None  # end of the region; None: the end of the clip
    shots: str | None = None  # generate every shot by itself: "auto", or the path of a list
    mix: bool = False  # keep the video's own audio under the new audio
    gain: float = 0.0  # of the new audio in a mix, in dB
    duck: float = 0.0  # most that it is lowered while the video's own audio is loud, in dB
    stereo: bool = False  # write two equal channels
    pcm: bool = False  # write 24-bit PCM
    stems: bool = False  # also write the parts of the audio track
    audio_rate: int | None = None  # of audio files, in Hz; None: the model's
    reencode: bool = False  # encode the video's frames again instead of copying its packets
    upscale: int | None = 1  # enlargement of saved frames; None: 4 below 128 pixels, else 1
    max_duration_s: float = 600.0  # longer inputs are refused

    @property
    def region(self) -> tuple[float | None, float | None] | None:
        """Start and end of the only region to generate, in seconds; None for the whole clip."""
        return None if self.from_s is None and self.to_s is None else (self.from_s, self.to_s)

    @property
    def track(self) -> Track:
        """The settings of the output's audio track.

        Raises:
            SettingsError: A level or rate out of range, or levels of a mix without one.
        """
        return Track(
            keep="mix" if self.mix else "replace",
            gain_db=self.gain,
            duck_db=self.duck,
            is_stereo=self.stereo,
            is_pcm=self.pcm,
            sample_rate=self.audio_rate,
            has_stems=self.stems,
        )

    def check(self, suffix: str) -> None:
        """Refuse settings that have no effect for the task, or in a file with this suffix.

        Raises:
            SettingsError: A setting has no effect, or a veto is no text.
        """
        task, track = TASKS[self.task], self.track
        track.check(suffix)
        if track.keep == "mix" and task.input_kind != "video":
            raise SettingsError(f"expected no mix for {self.task}, whose input has no frames")
        if task.makes_still and (track.is_pcm or track.is_stereo):
            raise SettingsError(f"expected no --pcm and no --stereo for {self.task}, an image")
        makes_only_audio = tuple(task.makes) == ("audio",)
        if self.like_strength and (self.like is None or not makes_only_audio):
            raise SettingsError(
                "expected --like-strength only with a recording as --like, for v2a and i2a"
            )
        if self.region is not None:
            self._check_region()
        if self.shots is not None:
            self._check_shots()
        _check_veto(self.veto or "")

    def _check_region(self) -> None:
        if self.task != "v2a":
            raise SettingsError(f"expected --from and --to only for v2a, got them for {self.task}")
        if self.from_s is not None and self.to_s is not None and self.from_s >= self.to_s:
            raise SettingsError(
                f"expected --from before --to, got {self.from_s:g} and {self.to_s:g}"
            )
        if self.mix or self.lufs is not None:
            raise SettingsError(
                f"expected no {'--mix' if self.mix else '--lufs'} with --from or --to: the clip's "
                "own audio is kept outside the region, and the region has its level"
            )

    def _check_shots(self) -> None:
        if self.task != "v2a" or self.region is not None:
            raise SettingsError("expected --shots only for v2a, without --from and --to")
        if self.shots and self.shots != AUTO:
            read_shots(self.shots)

    def preset_settings(self) -> Preset:
        """The task's preset with the request's changes.

        Raises:
            SettingsError: The task has no preset of that name, or a change is out of range.
        """
        changes = {} if self.lr is None else {"lr_latents": self.lr}
        if self.lr == 0:  # a rate of 0 turns all guidance off, prompt tuning included
            changes["lr_prompt"] = 0.0
        preset = with_overrides(self.preset, num_steps=self.steps, task=self.task, **changes)
        if self.sync is not None:
            preset = replace(preset, sync_weight=self.sync)
        return preset if self.lufs is None else replace(preset, lufs=_lufs_of(self.lufs))


def _check_veto(veto: str) -> None:
    """Refuse the name of a file that would be read as text, and text that is not UTF-8."""
    if not is_media_name(veto) and _is_file(veto):
        raise SettingsError(
            f"{veto}: is a file, but not one of the kinds that a veto is read from; convert it to "
            ".wav, .png or .mp4"
        )
    try:
        veto.encode()
    except UnicodeEncodeError:
        raise SettingsError(
            "expected a veto in UTF-8; rename the file, or correct the text"
        ) from None


def _is_file(text: str) -> bool:
    try:
        return bool(text) and Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or not one
        return False


def _lufs_of(text: str) -> float | None:
    if text.strip().lower() == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"expected a loudness in LUFS or off, got {text!r}") from None

"""What networks make of clips, from memory where it is known."""

from collections.abc import Callable

from seehear.errors import MediaError
from seehear.evaluation.clip_media import ClipMedia
from seehear.evaluation.feature_cache import Kept
from seehear.metrics.features.protocol import Features, HearsSounds, SeesVideos


def video_features(network: SeesVideos, video: ClipMedia, by: str) -> Features:
    """Features of a clip's pictures.

    Args:
        network: ImageAugmentation.
        video: The clip.
        by: The network's fingerprint, where the clip remembers.

    Raises:
        MediaError: The clip cannot be read, or the network refuses it.
    """

    def compute() -> Features:
        frames = video.frames[None]
        return network.see(frames, frames.shape[1] / max(video.video.duration_s, 1e-3))

    return _cached(video, "picture features", by, compute)


def audio_features(network: HearsSounds, sound: ClipMedia, by: str) -> Features:
    """Features of a clip's sound, mono; arguments and errors as of `video_features`."""

    def compute() -> Features:
        found = sound.sound_at(network.sample_rate)
        return network.hear(found.waveform.mean(0, keepdim=True), found.sample_rate)

    return _cached(sound, "sound features", by, compute)


def _cached(seen: ClipMedia, what: str, by: str, compute: Callable[[], Features]) -> Features:
    def said() -> Kept:
        try:
            features = compute()
        except MediaError:
            raise
        except ValueError as error:  # such as a sound that is too short for the network
            raise MediaError(f"{seen.path}: {error}") from error
        return {k: v for k, v in features._asdict().items() if v is not None}

    return Features(**seen.recalled(what, by, said))

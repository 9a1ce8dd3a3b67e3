"""Extract features of clips, with caching."""

from collections.abc import Callable

from seehear.errors import MediaError
from seehear.evaluation.clip_media import ClipMedia
from seehear.evaluation.feature_cache import Tensors
from seehear.metrics.features.protocol import EmbedsAudio, EmbedsVideo, Features


def video_features(network: EmbedsVideo, video: ClipMedia, by: str) -> Features:
    """Video features of a clip.

    Args:
        network: Extracts the features.
        video: The clip.
        by: The fingerprint of the network, used if the clip has a cache.

    Raises:
        MediaError: The clip cannot be read, or the network rejects it.
    """

    def compute() -> Features:
        frames = video.frames[None]
        return network.from_video(frames, frames.shape[1] / max(video.video.duration_s, 1e-3))

    return _cached(video, "picture features", by, compute)


def audio_features(network: EmbedsAudio, sound: ClipMedia, by: str) -> Features:
    """Features of the mono audio of a clip; arguments and errors as in `video_features`."""

    def compute() -> Features:
        audio = sound.audio_at(network.sample_rate)
        return network.from_audio(audio.waveform.mean(0, keepdim=True), audio.sample_rate)

    return _cached(sound, "sound features", by, compute)


def _cached(clip: ClipMedia, what: str, by: str, compute: Callable[[], Features]) -> Features:
    def tensors() -> Tensors:
        try:
            features = compute()
        except MediaError:
            raise
        except ValueError as error:  # such as audio that is too short for the network
            raise clip.rejected() from error
        return {k: v for k, v in features._asdict().items() if v is not None}

    return Features(**clip.cached(what, by, tensors))

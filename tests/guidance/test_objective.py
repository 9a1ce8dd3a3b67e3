"""What the objective embeds, and by which way the sound gets to the binder."""

import pytest
import torch
from small_family import small_family, write_small

from seehear.dsp.events import Curve
from seehear.dsp.mel import log_mel_from_waveform
from seehear.errors import SettingsError
from seehear.guidance.decoding import Frames, Mel, Waveform, decode_estimate, embed_media
from seehear.guidance.protocols import Backbone, Binder, EmbedsNoisyFrames
from seehear.guidance.sync import SyncTerm
from seehear.models.binders import pocket


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def binder():
    return pocket.load(tower_share=0.0)


def found(audio, binder, z_0, duration_s=None, mel_bridge=False):
    media = decode_estimate({"audio": audio}, binder, {"audio": z_0}, duration_s, mel_bridge)
    return embed_media(binder, media)["audio"]


def latents(family):
    return family.audio.prior(1.28, 2, torch.Generator().manual_seed(0))


def test_the_mel_bridge_embeds_the_mel_that_the_vocoder_would_have_got(family, binder):
    z_0 = latents(family)
    bridged = found(family.audio, binder, z_0, 1.0, mel_bridge=True)
    mel = family.audio.mel_from_latents(z_0)[:, :100]
    torch.testing.assert_close(bridged, binder.embed_mel(mel), rtol=0, atol=0)


def test_the_bridge_never_runs_the_vocoder_and_still_has_a_gradient(family, binder, monkeypatch):
    monkeypatch.setattr(family.audio, "waveform_from_mel", None)
    z_0 = latents(family).requires_grad_(True)
    bridged = found(family.audio, binder, z_0, mel_bridge=True)
    (gradient,) = torch.autograd.grad(bridged[:, 0].sum(), z_0)
    assert gradient.abs().max() > 0


def test_a_binder_that_hears_no_mels_gets_the_waveform(family):
    z_0 = latents(family)
    with_bridge = found(family.audio, family.binder, z_0, mel_bridge=True)
    without = found(family.audio, family.binder, z_0)
    torch.testing.assert_close(with_bridge, without, rtol=0, atol=0)


def taps(*times_s):
    """A second of silence with short tones at the given times."""
    t = torch.arange(16_000) / 16_000
    return sum(
        (t >= s) * torch.exp(-(t - s).clamp(min=0) / 0.05) * torch.sin(2764.6 * t) for s in times_s
    )


@pytest.mark.parametrize("is_mel", [True, False])
def test_a_sound_in_step_with_the_picture_has_the_smaller_sync_loss(is_mel):
    samples = 0.3 * torch.stack([taps(0.25, 0.6), taps(0.5)])
    sound = Mel(log_mel_from_waveform(samples)) if is_mel else Waveform(samples, 16_000)
    media = {"audio": sound}
    in_time = SyncTerm(starts=sound.onsets(), weight=0.5)
    (loss,) = in_time.losses(media).values()
    torch.testing.assert_close(loss, torch.zeros(2), rtol=0, atol=1e-3)
    (late,) = in_time.for_window(0.3).losses(media).values()
    assert (late > 0.1).all()
    assert in_time.for_window(0.1).offset_s(media) == pytest.approx([0.1, 0.1], abs=0.02)


class FewFrames(Backbone):
    """A video model whose frames are its latents."""

    stream, time_axis, latents_per_s, sample_rate = "video", 2, 4.0, 4.0
    native_duration_s = 2.0

    def __init__(self):
        self.num_decoded = []

    def decode(self, z_0):
        self.num_decoded.append(z_0.shape[2])
        return z_0.transpose(1, 2)


class TwoLooks(Binder, EmbedsNoisyFrames):
    """A binder that tells finished pictures from unfinished ones."""

    def embed_video(self, frames):
        return frames.flatten(2).mean(2)

    def embed_noisy_frames(self, frames):
        return -frames.flatten(2).mean(2)


def frame_latents():
    return torch.rand(2, 3, 8, 4, 4, generator=torch.Generator().manual_seed(0))


def test_only_the_frames_that_are_looked_at_are_decoded():
    video, z_0 = FewFrames(), frame_latents()
    media = decode_estimate(
        {"video": video}, TwoLooks(), {"video": z_0}, None, frame_indices=(1, 6)
    )
    assert video.num_decoded == [2]
    torch.testing.assert_close(media["video"].frames, z_0.transpose(1, 2)[:, [1, 6]])


def test_motion_takes_all_frames_and_the_binder_still_looks_at_few():
    video, z_0, binder = FewFrames(), frame_latents(), TwoLooks()
    options = {"frame_indices": (1, 6), "is_dense": True}
    media = decode_estimate({"video": video}, binder, {"video": z_0}, 1.5, **options)
    assert video.num_decoded == [8]
    assert media["video"].frames.shape[1] == 6  # 1.5 s of 4 frames a second
    assert media["video"].starts().values.shape == (2, 5)
    few = decode_estimate({"video": video}, binder, {"video": z_0}, None, frame_indices=(1, 6))
    whole = decode_estimate({"video": video}, binder, {"video": z_0}, None, **options)
    torch.testing.assert_close(
        embed_media(binder, whole)["video"], embed_media(binder, few)["video"]
    )


def test_an_eye_is_used_where_it_is_asked_for_and_there_is_one(family):
    z_0, video = frame_latents(), {"video": FewFrames()}

    def found(binder, noisy_image_encoder):
        media = decode_estimate(
            video, binder, {"video": z_0}, None, noisy_image_encoder=noisy_image_encoder
        )
        return embed_media(binder, media)["video"]

    binder = TwoLooks()
    torch.testing.assert_close(found(binder, True), -found(binder, False))
    without = family.binder
    torch.testing.assert_close(found(without, True), found(without, False))


def test_sync_measures_what_is_made_and_takes_what_is_given():
    frames = torch.zeros(1, 8, 3, 4, 4)
    frames[:, 4:] = 1.0  # moves once, midway between frames 3 and 4: at 0.875 s
    shown = Frames(frames, 4.0)
    times_s = torch.arange(200) / 100
    given = Curve((times_s - 0.875).abs().lt(0.02).float()[None], times_s)
    in_time = SyncTerm(onsets=given).losses({"video": shown})["sync"]
    early = SyncTerm(onsets=given).for_window(0.6).losses({"video": shown})["sync"]
    assert float(in_time) < 0.2 < 0.8 < float(early)
    with pytest.raises(SettingsError, match=r"both audio and video for the sync loss.*only video"):
        SyncTerm().losses({"video": shown})

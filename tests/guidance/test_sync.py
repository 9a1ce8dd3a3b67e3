"""Clicks and flashes at known times."""

import pytest
import torch

from seehear.dsp.events import Curve, mel_onsets, motion_energy, motion_starts, onset_envelope
from seehear.dsp.mel import log_mel_from_waveform
from seehear.guidance.sync import (
    align_curves,
    curve_offset_s,
    resample_curve,
    sync_curves,
    sync_distance,
    sync_offset_s,
)

RATE, FPS = 8000, 10.0
DURATION_S = 2.4


def clicks(*times_s, duration_s=DURATION_S, dtype=torch.float64):
    """Decaying tones that begin at the given times, on silence."""
    t = torch.arange(round(duration_s * RATE), dtype=dtype) / RATE
    wave = torch.zeros_like(t)
    for time_s in times_s:
        after = (t - time_s).clamp(min=0)
        wave += (t >= time_s) * torch.exp(-after / 0.03) * torch.sin(2 * torch.pi * 440 * after)
    return 0.5 * wave[None]


def flashes(*times_s, duration_s=DURATION_S, fps=FPS, dtype=torch.float64):
    """A square that jumps to another place at the given times, over a grey ground."""
    frames = torch.full((1, round(duration_s * fps), 3, 8, 8), 0.3, dtype=dtype)
    for k in range(frames.shape[1]):
        left = 4 * (sum(k / fps >= time_s for time_s in times_s) % 2)
        frames[:, k, :, 2:6, left : left + 4] = 0.9
    return frames


def test_onsets_and_motion_peak_when_things_happen():
    onsets = onset_envelope(clicks(0.7), RATE)
    assert abs(onsets.times_s[onsets.values[0].argmax()].item() - 0.7) <= 0.02
    motion = motion_energy(flashes(0.75), FPS)
    assert motion.times_s[motion.values[0].argmax()].item() == pytest.approx(0.75)


def test_onsets_of_a_mel_are_those_of_its_sound():
    times_s = (0.7, 1.3, 1.9)
    t = torch.arange(16_000 * 2) / 16_000
    wave = sum((t >= s) * torch.exp(-(t - s).clamp(min=0) / 0.05) for s in times_s)
    wave = 0.3 * wave * torch.sin(2 * torch.pi * 440 * t)[None]
    from_mel = mel_onsets(log_mel_from_waveform(wave), 100.0)
    heard, seen = align_curves(from_mel, onset_envelope(wave, 16_000), 2.0)
    assert (heard * seen).sum() > 0.95
    assert curve_offset_s(heard, seen).abs().item() < 0.02
    mel = torch.full((1, 200, 64), -11.5, requires_grad=True)  # silence
    (grad,) = torch.autograd.grad(resample_curve(mel_onsets(mel, 100.0), t[:50]).sum(), mel)
    assert grad.isfinite().all()


@pytest.mark.parametrize("offset_s", [-0.6, -0.25, 0.0, 0.1, 0.42])
def test_the_offset_is_how_late_the_sound_is(offset_s):
    times_s = (0.75, 1.25, 1.65)
    sound = clicks(*(t + offset_s for t in times_s))
    found = sync_offset_s(sound, RATE, flashes(*times_s), FPS)
    assert found.item() == pytest.approx(offset_s, abs=0.04)  # a frame lasts 0.1 s


def test_the_distance_grows_with_the_offset():
    picture = flashes(0.75, 1.65)
    near, off, far = (
        sync_distance(clicks(0.75 + d, 1.65 + d), RATE, picture, FPS).item() for d in (0, 0.15, 0.4)
    )
    assert near < 0.2 < off < far
    assert far > 0.9


def test_a_sound_longer_than_its_picture_is_compared_over_what_both_last():
    picture = flashes(0.75, duration_s=1.6)
    longer, cut = clicks(0.75, 2.1), clicks(0.75, duration_s=1.6)
    torch.testing.assert_close(
        sync_curves(longer, RATE, picture, FPS)[1], sync_curves(cut, RATE, picture, FPS)[1]
    )
    assert sync_curves(longer, RATE, picture, FPS)[0].shape == (1, 80)
    assert sync_offset_s(longer, RATE, picture, FPS).item() == pytest.approx(0, abs=0.04)


def test_silence_and_stills_are_unrelated_to_everything_and_have_finite_gradients():
    silence = torch.zeros(1, 8000, requires_grad=True)
    still = torch.full((1, 10, 3, 4, 4), 0.5, requires_grad=True)
    for sound, picture in (
        (silence, flashes(0.5, duration_s=1.0, dtype=torch.float32)),
        (clicks(0.5, duration_s=1.0, dtype=torch.float32), still),
        (silence, still),
    ):
        distance = sync_distance(sound, RATE, picture, FPS)
        torch.testing.assert_close(distance, torch.ones(1), rtol=0, atol=1e-4)
        assert sync_offset_s(sound, RATE, picture, FPS).item() == 0
        leaves = [leaf for leaf in (sound, picture) if leaf.requires_grad]
        for grad in torch.autograd.grad(distance.sum(), leaves):
            assert grad.isfinite().all()


@pytest.mark.parametrize("side", ["sound", "picture"])
def test_the_gradient_agrees_with_finite_differences(side):
    noise = torch.Generator().manual_seed(0)
    sound = clicks(0.3) + 0.05 * torch.randn(1, 19_200, generator=noise, dtype=torch.float64)
    picture = torch.rand(1, 24, 3, 4, 4, generator=noise, dtype=torch.float64)

    def distance(value):
        pair = (value, picture) if side == "sound" else (sound, value)
        return sync_distance(pair[0], RATE, pair[1], FPS)[0]

    leaf = (sound if side == "sound" else picture).clone().requires_grad_()
    (grad,) = torch.autograd.grad(distance(leaf), leaf)
    direction = torch.randn(leaf.shape, generator=noise, dtype=torch.float64)
    with torch.no_grad():
        slope = (distance(leaf + 1e-6 * direction) - distance(leaf - 1e-6 * direction)) / 2e-6
    torch.testing.assert_close((grad * direction).sum(), slope, rtol=1e-4, atol=1e-9)


def test_following_the_gradient_in_the_picture_moves_its_motion_to_the_sound():
    sound = clicks(1.65)
    start = flashes(0.75)
    shown = start.clone()
    for _ in range(40):
        leaf = shown.requires_grad_()
        (grad,) = torch.autograd.grad(sync_distance(sound, RATE, leaf, FPS).sum(), leaf)
        shown = (leaf - 0.01 * grad.sign()).clamp(0, 1).detach()
    before, after = (sync_offset_s(sound, RATE, v, FPS).item() for v in (start, shown))
    assert before == pytest.approx(0.9, abs=0.04)
    assert abs(after) < 0.1


def test_a_batch_of_two_equals_two_of_one_and_a_given_picture_serves_both():
    sounds, picture = torch.cat([clicks(0.75), clicks(1.3)]), flashes(0.75)
    together = sync_distance(sounds, RATE, picture, FPS)
    alone = torch.cat([sync_distance(sounds[k : k + 1], RATE, picture, FPS) for k in range(2)])
    torch.testing.assert_close(together, alone)
    offsets = sync_offset_s(sounds, RATE, picture, FPS)
    torch.testing.assert_close(offsets, torch.tensor([0.0, 0.55]).double(), rtol=0, atol=0.04)


def test_one_frame_has_no_motion():
    with pytest.raises(ValueError, match="at least 2 frames"):
        motion_energy(torch.zeros(1, 1, 3, 4, 4), FPS)


def test_motion_that_goes_on_starts_once_and_what_moves_at_once_has_just_begun():
    times_s = (torch.arange(50) + 0.5) / 25
    goes_on = Curve((times_s >= 1.0).double()[None] * 0.2, times_s.double())
    starts = motion_starts(goes_on)
    late = starts.times_s[starts.values[0] > 0.05]
    assert late.min() > 0.9
    assert late.max() < 1.25
    steady = motion_starts(Curve(torch.full((1, 50), 0.2), times_s))
    torch.testing.assert_close(steady.values, torch.zeros(1, 50))
    falling = Curve((times_s < 0.5).float()[None], times_s)
    assert motion_starts(falling).values[0].argmax() <= 3
    alone = Curve(torch.ones(1, 1), torch.tensor([0.04]))
    assert motion_starts(alone).values.tolist() == [[1.0]]


def test_two_frames_are_enough_to_compare_with_something():
    two = flashes(0.1, duration_s=0.2)
    distance = sync_distance(clicks(0.1, duration_s=0.2), RATE, two, FPS)
    assert distance.isfinite().all()


def test_high_onsets_count_for_as_much_in_a_mel_as_in_its_sound():
    t = torch.arange(16_000) / 16_000
    wave = sum(
        0.3 * (t >= s) * torch.exp(-(t - s).clamp(min=0) / 0.05) * torch.sin(6.2832 * hz * t)
        for s, hz in ((0.3, 300.0), (0.7, 6000.0))
    )[None]
    shares = []
    for curve in (mel_onsets(log_mel_from_waveform(wave), 100.0), onset_envelope(wave, 16_000)):
        low, high = (curve.values[0][(curve.times_s - s).abs() < 0.1].max() for s in (0.3, 0.7))
        shares.append(float(high / low))
    assert shares[0] == pytest.approx(shares[1], rel=0.25)

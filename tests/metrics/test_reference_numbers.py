"""Metrics meet the numbers that the usual implementations give on recipes that anyone can repeat.

Peers: pytorch-fid, clean-fid, torch-fidelity, torchmetrics, MM-Diffusion's evaluator,
audioldm_eval, av-benchmark, SpecVQGAN, kadtk, TempoTokens, mir_eval.
"""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.special import rel_entr

from seehear.metrics.av_align import (
    av_align,
    matched_share,
    mean_score,
    motion_by_frame,
    motion_peaks,
    onset_times,
)
from seehear.metrics.bind import paired_cosine
from seehear.metrics.classes import inception_score, paired_kl
from seehear.metrics.desync import mean_absolute_offset_s, segment_windows
from seehear.metrics.frechet import frechet_distance, frechet_result
from seehear.metrics.kernel import (
    kernel_audio_distance,
    kernel_inception_distance,
    polynomial_mmd,
)
from seehear.metrics.onsets import condfoley_onsets, mean_offset_s, onset_f1

RandomState = np.random.RandomState  # what the recipes are written in


def made(seed, n, d, scale=1.0, shift=0.0):
    w = RandomState(1000 + d).randn(d, d) / math.sqrt(d)
    return torch.from_numpy(RandomState(seed).randn(n, d) @ w * scale + shift)


def pair(d, n, m, scale=1.1, shift=0.05):
    return made(1, n, d), made(2, m, d, scale, shift)


def test_the_recipe_is_the_peers():
    a, b = pair(400, 200, 200)
    assert float(a.sum()) == pytest.approx(-139.1130040254, abs=1e-9)
    assert float(b[0, 0]) == pytest.approx(-0.171637585227, abs=1e-11)


@pytest.mark.long
@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (lambda: pair(32, 300, 280, 1.2, 0.1), 3.03635297462),
        (lambda: tuple(f.float() for f in pair(128, 500, 450)), 13.987468547),
        (lambda: pair(400, 1000, 900), 62.3578653816),
        (lambda: pair(400, 200, 200), 265.409561475),  # singular: sqrtm is off by 1.5e-5
        (lambda: pair(512, 100, 100), 592.693592633),
        (lambda: pair(2048, 200, 200), 2924.61078631),
        (lambda: pair(2048, 3000, 3000), 493.283811495),
    ],
)
def test_frechet_distances(features, wanted):
    x, y = features()
    assert float(frechet_distance(x, y)) == pytest.approx(wanted, rel=1e-9)
    assert float(frechet_distance(y, x)) == pytest.approx(wanted, rel=1e-9)


def test_frechet_distance_of_gaussians_known_exactly():
    def points(mean, spread):
        d = len(spread)
        steps = torch.diag(torch.tensor(spread)) * math.sqrt((2 * d - 1) / 2)
        return torch.cat([torch.tensor(mean) + steps, torch.tensor(mean) - steps]).double()

    x = points([0.0] * 4, [1.0, 2.0, 3.0, 4.0])
    y = points([1.0, 0.0, 0.0, 0.0], [4.0, 3.0, 2.0, 1.0])
    assert float(frechet_distance(x, y)) == pytest.approx(21, rel=1e-6)  # steps are float32


def test_a_set_is_at_no_distance_from_itself_even_where_it_is_singular():
    a = made(1, 200, 400)
    assert 0 <= float(frechet_distance(a, a)) <= 1e-9


def test_a_common_rotation_and_shift_change_no_frechet_distance():
    x, y = pair(32, 300, 280)
    turn, _ = torch.linalg.qr(made(5, 32, 32))
    moved = frechet_distance(x @ turn + 3, y @ turn + 3)
    assert float(moved) == pytest.approx(float(frechet_distance(x, y)), rel=1e-9)


def test_ranks_are_told():
    result = frechet_result(*pair(400, 200, 200))
    assert result.ranks == (199, 199)
    assert result.is_singular
    assert not frechet_result(*pair(32, 300, 280)).is_singular


def test_features_that_cannot_be_scored_are_refused():
    x, y = pair(8, 20, 20)
    with pytest.raises(ValueError, match="at least 2 clips"):
        frechet_distance(x[:1], y)
    y[3] = math.nan
    with pytest.raises(ValueError, match="1 of 20 rows"):
        frechet_distance(x, y)


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (lambda: pair(400, 200, 200), 0.0116208886272),
        (lambda: pair(400, 200, 150), 0.0106137515579),
        (lambda: tuple(3 * f for f in pair(400, 200, 200)), 0.213165355582),
        (lambda: (made(1, 200, 400),) * 2, -0.0708968947854),
        (lambda: pair(2048, 1000, 1000), 0.00748210954568),
    ],
)
def test_kernel_distances(features, wanted):
    assert polynomial_mmd(*features()) == pytest.approx(wanted, rel=1e-9)


THREE = (
    torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64),
    torch.tensor([[1.0, 1.0], [2.0, 0.0]], dtype=torch.float64),
)


def test_a_kernel_distance_known_exactly():
    assert polynomial_mmd(*THREE) == pytest.approx(1.125, abs=1e-12)


def test_kid_draws_the_subsets_of_torch_fidelity():
    x, y = pair(128, 500, 500)
    mean, std = kernel_inception_distance(x, y, subsets=50, subset_size=100)
    assert mean == pytest.approx(0.00935744021822174, rel=1e-9)
    assert std == pytest.approx(0.011067420469486298, rel=1e-9)
    assert polynomial_mmd(x, y) == pytest.approx(0.010480150828598767, rel=1e-9)


def test_kernel_audio_distances():
    assert kernel_audio_distance(*THREE, bandwidth=1.0) == pytest.approx(-21.50796066, abs=1e-6)
    x, y = (f.float() for f in pair(128, 300, 280))
    assert kernel_audio_distance(x, y, 10.0) == pytest.approx(0.4032578801, rel=1e-6)
    assert kernel_audio_distance(x, y, 17.472788) == pytest.approx(0.1274023587, rel=1e-6)
    assert kernel_audio_distance(x, y) == pytest.approx(0.1627100180, rel=1e-6)
    assert kernel_audio_distance(x, y, 10.0, kernel="iq") == pytest.approx(0.2397231884, rel=1e-6)
    assert kernel_audio_distance(x, y, 10.0, kernel="imq") == pytest.approx(0.1428343026, rel=1e-6)
    assert kernel_audio_distance(x, x, 10.0) == pytest.approx(-0.4785786443, rel=1e-6)


def test_inception_scores():
    first = torch.from_numpy((3 * RandomState(11).randn(1000, 527)).astype(np.float32))
    assert inception_score(first) == pytest.approx((19.01594294005109, 0.8646956673413471))
    unshuffled = inception_score(first, shuffle=False)
    assert unshuffled == pytest.approx((19.14859127565744, 0.8665136946447284))
    assert inception_score(first, splits=1)[0] == pytest.approx(25.24803639199309)
    uneven = torch.from_numpy((2 * RandomState(12).randn(95, 309)).astype(np.float32))
    assert inception_score(uneven) == pytest.approx((3.4921484811764367, 0.16066144473579813))
    assert inception_score(uneven, shuffle=False)[0] == pytest.approx(3.513867291158065)
    assert inception_score(uneven, splits=1)[0] == pytest.approx(5.394937582967958)


def test_inception_scores_known_exactly():
    one_hot = torch.eye(4).repeat(5, 1) * 1000
    assert inception_score(one_hot, splits=1)[0] == pytest.approx(4)
    assert inception_score(one_hot, splits=10, shuffle=False)[0] == pytest.approx(2)
    assert inception_score(torch.zeros(20, 4))[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="got 5 for 10"):
        inception_score(torch.zeros(5, 4))


def logits():
    draw = RandomState(21)
    real = (2 * draw.randn(256, 527)).astype(np.float32)
    generated = real + draw.randn(256, 527).astype(np.float32)
    return torch.from_numpy(real), torch.from_numpy(generated)


@pytest.mark.parametrize(
    ("kind", "eps", "wanted"),
    [
        ("softmax", 1e-6, 0.48778343),
        ("softmax", 0.0, 0.4891539757),
        ("sigmoid", 1e-6, 19.21617126),
        ("sigmoid", 0.0, 19.2168729528),
    ],
)
def test_divergences(kind, eps, wanted):
    real, generated = logits()
    assert paired_kl(real, generated, kind=kind, eps=eps) == pytest.approx(wanted, rel=2e-6)


def test_divergences_of_equal_swapped_and_repeated_clips():
    real, generated = logits()
    assert paired_kl(real, real) == pytest.approx(-5.2112e-4, rel=1e-3)
    assert paired_kl(real, real, kind="sigmoid") == pytest.approx(-5.3158e-4, rel=1e-2)
    assert paired_kl(real, real, eps=0.0) == pytest.approx(0, abs=1e-12)
    assert paired_kl(generated, real, eps=0.0) == pytest.approx(0.46836627, rel=2e-6)
    swapped = paired_kl(generated, real, kind="sigmoid", eps=0.0)
    assert swapped == pytest.approx(17.72746478, rel=2e-6)
    both = paired_kl(torch.cat([real, real]), torch.cat([generated, real]))
    assert both == pytest.approx(0.24363115, rel=2e-6)
    with pytest.raises(ValueError, match="expected pairs"):
        paired_kl(real, generated[:3])


def test_a_divergence_agrees_with_scipy():
    p, q = torch.tensor([[9.0, 12.0, 4.0]]) / 25, torch.ones(1, 3) / 3
    got = paired_kl(p.log(), q.log(), eps=0.0)
    assert got == pytest.approx(0.0852996013, rel=1e-6)
    assert got == pytest.approx(float(rel_entr(p.numpy(), q.numpy()).sum()), rel=1e-6)
    sigmoid = paired_kl(p.log(), q.log(), kind="sigmoid", eps=0.0)
    assert sigmoid == pytest.approx(0.0175177418, rel=1e-5)


def test_bind_scores_normalise_what_they_are_given():
    a, b = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[30.0, 40.0], [0.0, 2.0]])
    assert paired_cosine(a, b).tolist() == pytest.approx([1, 0])
    assert torch.allclose(paired_cosine(7 * a, b), paired_cosine(a, b))
    with pytest.raises(ValueError, match="expected pairs"):
        paired_cosine(a, b[:1])


# AV-Align


def texture(seed=0):
    coarse = RandomState(seed).randint(0, 256, (16, 16)).repeat(8, 0).repeat(8, 1).astype(float)
    near = [np.roll(coarse, (i, j), (0, 1)) for i in range(-2, 3) for j in range(-2, 3)]
    return np.rint(np.mean(near, 0)).astype(np.uint8)


def jump(events, px=6, frames=100):
    shown, shift = [], 0
    for k in range(frames):
        shift += px * events.count(k)
        shown.append(np.roll(texture(), shift, 1))
    return as_video(shown)


def as_video(grey):
    return torch.from_numpy(np.stack(grey))[:, None].expand(-1, 3, -1, -1).contiguous()


def clicks(times_s, duration_s=4.0):
    t = np.arange(round(0.02 * 22050)) / 22050
    burst = RandomState(7).uniform(-1, 1, len(t)) * np.exp(-t / 0.005) * 0.9
    wave = np.zeros(round(duration_s * 22050))
    for start in times_s:
        at = round(start * 22050)
        part = burst[: max(0, len(wave) - at)]
        wave[at : at + len(part)] += part
    return torch.from_numpy((np.rint(wave * 32767) / 32768).astype(np.float32))


def test_texture_and_clicks_are_the_peers():
    assert int(texture().astype(int).sum()) == 1_986_486
    assert texture()[0, :4].tolist() == [164, 171, 178, 178]
    assert float(clicks([0.8, 1.8, 2.8]).square().sum()) == pytest.approx(40.59065239, rel=1e-3)


USUAL = [0.8, 1.8, 2.8]


@pytest.mark.parametrize(
    ("events", "sounds", "fork", "fixed"),
    [
        ([20, 45, 70], USUAL, 1.0, 1.0),
        ([20, 45, 70], [0.8, 1.3, 2.8], 0.5, 0.5),
        ([20, 45, 70], [1.0, 2.0, 3.0], 0.0, 0.0),
        ([20, 45, 70], [*USUAL, 3.4], 0.75, 0.75),
        ([20, 45, 70], [0.84, 1.84, 2.84], 0.0, 0.0),
        ([20, 45, 70], [0.76, 1.76, 2.76], 1.0, 1.0),
        ([], USUAL, 0.0, 0.0),
        ([20, 21, 45], [0.8, 1.8], 1.0, 1.0),
        ([1, 50, 99], [0.04, 2.0, 3.96], 1 / 3, 1 / 3),
    ],
)
def test_av_align_of_jumps_and_clicks(events, sounds, fork, fixed):
    frames, waveform = jump(events), clicks(sounds)
    for version, wanted in (("paper", fork), ("2025", fixed)):
        got = av_align(frames, 25.0, waveform, 22050, version=version)
        assert got.score == pytest.approx(wanted, abs=1e-9), got


def pulse():
    shifts = np.zeros(100, int)
    for centre in (20, 45, 70):
        shifts[centre - 2 : centre + 3] = (1, 3, 6, 3, 1)
    return shifted(np.cumsum(shifts))


def shifted(shifts):
    return as_video([np.roll(texture(), int(shift), 1) for shift in shifts])


def flashes():
    grey = np.full((100, 128, 128), 64, np.uint8)
    grey[[20, 45, 70]] = 255
    return as_video(grey)


def tone(from_s=0.0):
    wave = 0.5 * torch.sin(2 * math.pi * 440 * torch.arange(4 * 22050) / 22050)
    wave[: round(from_s * 22050)] = 0
    return wave


def hiss():
    return torch.from_numpy((0.1 * RandomState(3).randn(4 * 22050)).clip(-1, 1)).float()


@pytest.mark.parametrize(
    ("frames", "waveform", "score", "peaks"),
    [
        (pulse, lambda: clicks(USUAL), 1.0, 3),
        (flashes, lambda: clicks(USUAL), 0.0, 0),
        (lambda: jump([20, 45, 70], px=1), lambda: clicks(USUAL), 1.0, 3),
        (lambda: shifted(2 * np.arange(100)), lambda: clicks(USUAL), 0.08, 24),
        (
            lambda: shifted(np.round(20 * np.sin(2 * np.pi * np.arange(100) / 25))),
            lambda: clicks([0.5 * k for k in range(1, 8)]),
            0.1333333333,
            27,
        ),
        (lambda: as_video([texture()] * 50 + [texture(9)] * 50), lambda: clicks([2.0]), 1.0, 1),
        (lambda: jump([20, 45, 70]), tone, 0.0, 3),
        (lambda: jump([45]), lambda: tone(1.8), 1.0, 1),
        (lambda: jump([20, 45, 70]), hiss, 0.0526315789, 3),
    ],
    ids=["pulse", "flashes", "1 px", "pan", "swing", "cut", "tone", "tone begins", "hiss"],
)
def test_av_align_of_other_movements_and_sounds(frames, waveform, score, peaks):
    shown, heard = frames(), waveform()
    for version in ("paper", "2025"):
        found = av_align(shown, 25.0, heard, 22050, version=version)
        assert found.score == pytest.approx(score, abs=1e-9)
    assert len(found.peaks_s) == peaks


def test_av_align_at_eight_frames_a_second():
    frames, waveform = jump([3, 7, 12], frames=16), clicks([0.375, 0.875, 1.2, 1.5], 2.0)
    for version in ("paper", "2025"):
        assert av_align(frames, 8.0, waveform, 22050, version=version).score == 0.75


@pytest.mark.parametrize(("side", "wanted"), [(64, 3.007276), (256, 11.609174)])
def test_flow_grows_with_the_picture(side, wanted):
    grey = [cv2.resize(f, (side, side)) for f in jump([20])[19:21, 0].numpy()]
    assert motion_by_frame(as_video(grey))[1] == pytest.approx(wanted, abs=1e-4)


def test_flow_of_small_movements_and_cuts_is_the_peers():
    assert motion_by_frame(jump([45], px=1)).max() == pytest.approx(1.000203, abs=1e-4)
    cut = as_video([texture()] * 2 + [texture(9)] * 2)
    assert motion_by_frame(cut)[2] == pytest.approx(6.395822, abs=1e-4)


def test_flow_is_the_peers():
    flow = motion_by_frame(jump([20, 45, 70]))
    for frame, wanted in {
        1: 0.001095, 19: 0.001095, 20: 5.936859, 21: 0.000764, 45: 6.037822, 70: 6.048478,
    }.items():  # fmt: skip
        assert flow[frame] == pytest.approx(wanted, abs=1e-4)
    assert flow[0] == flow[1]
    with pytest.raises(ValueError, match="at least 2 frames"):
        motion_by_frame(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_onsets_are_the_peers():
    assert onset_times(clicks(USUAL), 22050) == pytest.approx(
        (0.812698, 1.811156, 2.809615), abs=1e-6
    )
    tone = 0.5 * torch.sin(2 * math.pi * 440 * torch.arange(4 * 22050) / 22050)
    assert onset_times(tone, 22050) == pytest.approx((0.06966,), abs=1e-4)
    assert onset_times(torch.zeros(22050), 22050) == ()


def test_one_movement_serves_two_onsets_in_the_papers_version_alone():
    frames, waveform = jump([8], frames=16), clicks([0.95, 1.05], 2.0)
    assert av_align(frames, 8.0, waveform, 22050, version="paper").score == 2.0
    assert av_align(frames, 8.0, waveform, 22050).score == 0.5


def test_noise_in_the_pixels_is_no_movement_since_2025():
    grain = RandomState(5).randint(-3, 4, (100, 128, 128, 1))[..., 0]
    frames = as_video(np.clip(texture()[None].astype(int) + grain, 0, 255).astype(np.uint8))
    waveform = clicks(USUAL)
    assert av_align(frames, 25.0, waveform, 22050, version="paper").score == pytest.approx(
        0.064516129
    )
    assert av_align(frames, 25.0, waveform, 22050).score == 0


@pytest.mark.parametrize(
    ("onsets", "peaks", "fork", "fixed"),
    [
        ([1.0, 1.03], [1.02], 2.0, 0.5),
        ([1.0, 1.03], [1.02, 1.1], 1.0, 1 / 3),
        ([1.0], [1.04], 0.0, 0.0),
        ([1.0], [1.039], 1.0, 1.0),
        ([], [1.0], 0.0, 0.0),
    ],
)
def test_matching(onsets, peaks, fork, fixed):
    assert matched_share(onsets, peaks, 25.0, version="paper") == pytest.approx(fork)
    assert matched_share(onsets, peaks, 25.0) == pytest.approx(fixed)


def test_peaks_are_strict_and_never_at_an_end():
    assert motion_peaks(np.array([0, 0.05, 0, 0.2, 0]), 10.0, version="paper") == (0.1, 0.3)
    assert motion_peaks(np.array([0, 0.05, 0, 0.2, 0]), 10.0) == (0.3,)
    assert motion_peaks(np.array([0, 1, 0, 2, 2, 0, 3]), 10.0) == (0.1,)


def test_a_clip_without_anything_has_no_score_and_is_counted_apart():
    silent = av_align(jump([], frames=10), 25.0, torch.zeros(9000), 22050)
    assert math.isnan(silent.score)
    moving = av_align(jump([4], frames=10), 25.0, torch.zeros(9000), 22050)
    assert mean_score([silent, moving]) == (0.0, 1)
    assert math.isnan(mean_score([silent])[0])


# Onsets

REAL = onset_times(clicks([0.3, 0.8, 1.4, 1.8], 2.0), 22050, 0.3)


@pytest.mark.parametrize(
    ("made_at", "f1"),
    [
        ([0.3, 0.8, 1.4, 1.8], 1.0),
        ([0.3, 0.8, 1.6, 1.8], 0.75),
        ([0.35, 0.85, 1.45, 1.85], 1.0),
        ([0.3, 1.4], 2 / 3),
    ],
)
def test_onset_f1(made_at, f1):
    found = onset_times(clicks(made_at, 2.0), 22050, 0.3)
    assert onset_f1(REAL, found).f1 == pytest.approx(f1, abs=1e-6)


@pytest.mark.parametrize(
    ("made_at", "accuracy", "precision", "has_equal_count"),
    [
        ([0.3, 0.8, 1.4, 1.8], 1.0, 1.0, True),
        ([0.3, 0.8, 1.6, 1.8], 0.75, 0.7625, True),
        ([0.35, 0.85, 1.45, 1.85], 1.0, 1.0, True),
        ([0.3, 1.4], 0.5, 1.0, False),
    ],
)
def test_onsets_as_condfoleygen_scores_them(made_at, accuracy, precision, has_equal_count):
    found = condfoley_onsets(clicks([0.3, 0.8, 1.4, 1.8], 2.0), clicks(made_at, 2.0))
    assert found == pytest.approx((accuracy, precision, has_equal_count))


def test_quieter_onsets_beside_the_real_ones():
    real = clicks([0.3, 0.8, 1.4, 1.8], 2.0)
    made = real + 0.5 * clicks([0.55, 1.1], 2.0)
    assert condfoley_onsets(real, made) == (1.0, 1.0, False)
    assert onset_f1(REAL, onset_times(made, 22050, 0.3)).f1 == pytest.approx(0.8)


def test_silence_as_condfoleygen_scores_it():
    sound, silence = clicks([0.3, 0.8], 2.0), torch.zeros(44_100)
    assert condfoley_onsets(sound, silence) == (0.0, 1.0, False)
    assert condfoley_onsets(silence, sound) == (0.0, 0.0, False)


@pytest.mark.parametrize("k", [0, 7, 10, 20])
def test_offsets_are_told_in_seconds(k):
    logits = torch.nn.functional.one_hot(torch.tensor([k]), 21).float()
    assert mean_absolute_offset_s(logits) == pytest.approx(abs(-2 + 0.2 * k))
    both = torch.cat([logits, torch.nn.functional.one_hot(torch.tensor([10]), 21)])
    assert mean_absolute_offset_s(both) == pytest.approx(abs(-2 + 0.2 * k) / 2)


def test_offsets_are_looked_for_at_both_ends_of_a_clip():
    assert segment_windows(8.0) == ((0, 14), (10, 24))
    assert segment_windows(4.8) == ((0, 14), (0, 14))
    with pytest.raises(ValueError, match=r"at least 4\.8 s"):
        segment_windows(4.7)
    with pytest.raises(ValueError, match="over 21 offsets"):
        mean_absolute_offset_s(torch.zeros(2, 20))


def test_onsets_of_silence():
    assert onset_f1((), ()).f1 == 1
    assert onset_f1(REAL, ()).f1 == 0
    assert mean_offset_s([1.0, 2.0], [1.1, 5.0]) == pytest.approx(0.5)
    assert math.isnan(mean_offset_s([], [1.0]))

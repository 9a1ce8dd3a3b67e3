"""Latents that are cut and put elsewhere in time."""

from dataclasses import dataclass, replace

import pytest
import torch

from seehear.dsp.events import Curve, onset_envelope
from seehear.errors import SettingsError
from seehear.guidance.conditions import Targets
from seehear.guidance.objective import Agreement, ShiftsInTime
from seehear.guidance.protocols import Backbone
from seehear.guidance.retiming import gather_in_time, mean_shift, source_positions
from seehear.guidance.sampling import sample
from seehear.guidance.settings import SamplingSettings
from seehear.guidance.streams import V2A
from seehear.guidance.sync import SyncTerm, align_curves, curve_offset_s
from seehear.models.backbones import gaussian
from seehear.models.binders import linear

RATE, PER_S = 16_000, 25.0


def test_what_is_late_is_taken_from_later_and_comes_round():
    late = torch.tensor([2, 0, -1])
    assert source_positions([late], [slice(0, 5)], 5).tolist() == [
        [2, 3, 4, 0, 1],
        [0, 1, 2, 3, 4],
        [4, 0, 1, 2, 3],
    ]


def test_windows_move_by_themselves_and_change_over_midway():
    moves = [torch.tensor([1]), torch.tensor([0]), torch.tensor([-2])]
    found = source_positions(moves, [slice(0, 6), slice(4, 10), slice(8, 14)], 14)
    assert found[0].tolist() == [1, 2, 3, 4, 5, 5, 6, 7, 8, 7, 8, 9, 10, 11]


def test_every_sample_and_every_axis_is_taken_by_itself():
    latents = torch.arange(24.0).reshape(2, 3, 4)
    source = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    moved = gather_in_time(latents, source, time_axis=2)
    assert torch.equal(moved[0], latents[0])
    assert torch.equal(moved[1], latents[1].roll(-1, dims=1))
    swapped = gather_in_time(latents.transpose(1, 2), source, time_axis=1)
    assert torch.equal(swapped, moved.transpose(1, 2))
    assert mean_shift(source) == pytest.approx(0.5)
    assert mean_shift(source[:1]) == 0


@dataclass
class Late:
    """Pulls nothing, and calls the sound so many positions late."""

    by: int

    def pieces(self, estimate):
        return ()

    shifted_stream = "audio"

    def source_positions(self, x0):
        length = x0["audio"].shape[2]
        return source_positions([torch.full((2,), self.by)], [slice(0, length)], length)


def run(objective, **changes):
    backbone = gaussian.load()  # every position by itself: what is moved early ends up moved
    z = backbone.prior(2.0, 2, torch.Generator().manual_seed(0))
    y = backbone.embed_prompt(["rain"] * 2)
    settings = SamplingSettings(num_steps=10, guidance_scale=2.0, **changes)
    settings = replace(settings, aligner=replace(settings.aligner, lr_latents=0.0))
    made = sample({"audio": backbone}, {"audio": z}, {"audio": y}, objective, settings)
    moved_s = [step.moved_s["audio"] for step in made.trace if step.moved_s]
    return made.latents["audio"], moved_s


def test_the_loop_moves_latents_at_the_steps_asked_for_and_tells_of_it():
    plain, moved_s = run(None)
    assert moved_s == []
    assert torch.equal(run(Late(0))[0], plain)
    assert torch.equal(run(Late(3), retimed_at=())[0], plain)
    once, moved_s = run(Late(3), retimed_at=(0.5,))
    torch.testing.assert_close(once, plain.roll(-3, dims=2))
    assert moved_s == [3 / gaussian.load().latents_per_s]
    twice, moved_s = run(Late(3), retimed_at=(0.2, 0.3))
    torch.testing.assert_close(twice, plain.roll(-6, dims=2))
    assert len(moved_s) == 2


def test_shares_outside_a_run_are_refused():
    with pytest.raises(SettingsError, match="retimed_at"):
        SamplingSettings(retimed_at=(0.2, 1.0))


class Taps(Backbone):
    """Latents (batch, 1, n) are the loudness of a tone, 25 positions to the second."""

    stream, sample_rate, latents_per_s, time_axis = "audio", float(RATE), PER_S, 2
    native_duration_s = 2.0

    def decode(self, z_0):
        loud = z_0[:, 0].repeat_interleave(round(RATE / PER_S), dim=1)
        t = torch.arange(loud.shape[1]) / RATE
        return loud * torch.sin(2 * torch.pi * 440 * t)


def tap(at_s, duration_s):
    """Latents of a tone that begins at a time and dies away."""
    t = torch.arange(round(duration_s * PER_S)) / PER_S
    return ((t >= at_s) * torch.exp(-(t - at_s).clamp(min=0) / 0.1))[None, None]


def flash(*times_s):
    """A picture that begins to move at these times, of a clip of 6 s."""
    times = torch.arange(600) / 100
    return Curve(sum((times - s).abs().lt(0.02).float() for s in times_s)[None], times)


def check_in_step(objective, z_0, *times_s, duration_s):
    assert isinstance(objective, ShiftsInTime)
    source = objective.source_positions({"audio": z_0})
    onsets = onset_envelope(Taps().decode(gather_in_time(z_0, source, 2)), RATE)
    heard, seen = align_curves(onsets, flash(*times_s), duration_s)
    assert (heard * seen).sum() > 0.8
    assert curve_offset_s(heard, seen).abs().item() < 0.04


SHARED = {"backbones": {"audio": Taps()}, "binder": linear.load(), "pairs": V2A,
          "weights": (1.0, 1.0)}  # fmt: skip


def test_a_sound_is_moved_to_where_the_picture_begins_to_move():
    whole = Agreement(**SHARED, targets=Targets((), {}), terms=(SyncTerm(starts=flash(1.2)),))
    check_in_step(whole, tap(0.5, 2.0), 1.2, duration_s=2.0)
    assert replace(whole, terms=()).shifted_stream is None


def test_every_window_is_moved_by_what_it_shows():
    spans = ({"audio": slice(0, 80)}, {"audio": slice(70, 150)})
    windows = Agreement(**SHARED, targets=Targets(({}, {}), {}), windows=spans, duration_s=6.0,
                        terms=(SyncTerm(starts=flash(1.0, 4.8)),))  # fmt: skip
    z_0 = torch.cat([tap(1.5, 3.0), tap(1.2, 3.0)], dim=2)  # at 1.5 and 4.2 s
    check_in_step(windows, z_0, 1.0, 4.8, duration_s=6.0)


def test_of_a_picture_that_is_made_the_picture_moves():
    given = SyncTerm(onsets=flash(1.2))
    assert (given.shifted_stream, SyncTerm(starts=flash(1.2)).shifted_stream,
    SyncTerm().shifted_stream) == (
        "video", "audio", "audio",
    )  # fmt: skip


class Films(Backbone):
    """A video model whose frames are its latents, ten to the second."""

    stream, sample_rate, latents_per_s, time_axis = "video", 10.0, 10.0, 2
    native_duration_s = 2.0

    def decode(self, z_0):
        return z_0.transpose(1, 2)


def test_a_picture_that_moves_too_early_is_moved_to_where_the_sound_begins():
    frames = torch.zeros(1, 3, 20, 4, 4)
    frames[:, :, 5:8] = 1.0  # from 0.5 s on
    whole = replace(
        Agreement(**SHARED, targets=Targets((), {}), terms=(SyncTerm(onsets=flash(1.25)),)),
        backbones={"video": Films()},
    )
    assert whole.shifted_stream == "video"
    moved = gather_in_time(frames, whole.source_positions({"video": frames}), 2)
    assert moved[0, 0, :, 0, 0].nonzero().flatten().tolist() in ([12, 13, 14], [13, 14, 15])


def test_a_stream_that_waits_is_moved_when_it_goes_on():
    backbone, video = gaussian.load(), gaussian.load()
    latents = {
        s: backbone.prior(2.0, 2, torch.Generator().manual_seed(0)) for s in ("audio", "video")
    }
    prompts = {s: backbone.embed_prompt(["rain"] * 2) for s in latents}
    settings = SamplingSettings(num_steps=10, own_steps={"audio": 3}, retimed_at=(0.1,))
    settings = replace(settings, aligner=replace(settings.aligner, lr_latents=0.0))
    made = sample({"audio": backbone, "video": video}, latents, prompts, Late(3), settings)
    (step,) = [step.i for step in made.trace if step.moved_s]
    assert step > 1

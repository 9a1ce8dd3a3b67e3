"""Plans: what is said before a job is what happens in it."""

import math
from dataclasses import replace

import pytest
import torch
from small_family import moving_frames, small_family, write_small

from seehear.diagnostics import dry_run as planning
from seehear.diagnostics.dry_run import DryRun, peak_resident_bytes, time_dry_run
from seehear.pipeline.inputs import as_video
from seehear.pipeline.presets import DEFAULT, with_overrides
from seehear.pipeline.studio import Studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(small_family(write_small(tmp_path_factory.mktemp("models"))))


def job_of(studio, num_frames=25, **changes):
    video = as_video(moving_frames(num_frames), fps=25.0)
    return studio.job("v2a", video, prompt="rain", preset=with_overrides(DEFAULT, **changes))


@pytest.mark.long
def test_the_plan_counts_what_the_run_then_does(studio):
    job = job_of(studio, 50, num_steps=10)
    plan, (made, sampled) = time_dry_run(studio, job), studio.run(job)
    assert plan.num_steps == len(sampled.trace)
    assert plan.num_guided == sum(step.is_guided for step in sampled.trace)
    assert plan.latents_shape == {"audio": tuple(sampled.latents["audio"].shape)}
    assert plan.num_windows == len(job.windows_s) == 2
    assert round(plan.duration_s * 16_000) == len(made["audio"])


def test_both_kinds_of_step_are_timed_though_the_job_starts_with_one_kind(studio):
    plan = time_dry_run(studio, job_of(studio))
    assert 0 < plan.plain_s < plan.guided_s
    assert plan.decode_s > 0


def test_a_plan_leaves_the_sound_as_it_was(studio):
    job = job_of(studio, num_steps=3)
    before, _ = studio.run(job)
    time_dry_run(studio, job)
    after, _ = studio.run(job)
    assert torch.equal(before["audio"], after["audio"])


def test_seconds_add_up_from_what_was_measured():
    plan = DryRun(
        task="v2a", duration_s=60.0, prompt="rain", naming=None, num_windows=8, window_s=10.24,
        num_steps=30, steps={"audio": 30}, num_guided=20,
        latents_shape={"audio": (1, 8, 1500, 16)}, plain_s=0.5, guided_s=2.0,
        decode_s=0.25, other_s=1.0, peak_bytes=None, peak_device_bytes=None,
    )  # fmt: skip
    assert plan.seconds == 1.0 + 10 * 0.5 + 20 * 2.0 + 8 * 0.25
    # Streams that sit out some turns make the others cheaper by as much.
    taking_turns = replace(plan, steps={"audio": 20, "video": 25})
    assert taking_turns.seconds == 1.0 + 0.75 * (10 * 0.5 + 20 * 2.0) + 8 * 0.25


def test_memory_is_that_of_this_process_and_only_grows():
    before = peak_resident_bytes()
    if before is None:
        pytest.skip("nobody counts memory on this system")
    ballast = torch.ones(64 * 2**20)  # 256 MiB of float32
    after = peak_resident_bytes()
    assert after is not None
    assert after >= before
    assert 0.25e9 < after < 1e12
    del ballast


def test_a_long_job_is_tried_for_two_steps_and_a_short_one_for_four(studio, monkeypatch):
    tried = []
    sample = Studio.sample

    def counting(self, job, on_step=None):
        tried.append(job.preset.settings.num_steps)
        return sample(self, job, on_step)

    monkeypatch.setattr(Studio, "sample", counting)
    for num_frames in (25, 125):
        job = job_of(studio, num_frames)
        time_dry_run(studio, job)
        assert (len(job.windows_s) >= planning._LONG_JOB_WINDOWS) == (num_frames == 125)
    assert tried == [4, 2]


def test_a_job_without_guidance_has_no_guided_steps(studio):
    plan = time_dry_run(studio, job_of(studio, lr_latents=0.0, lr_prompt=0.0))
    assert plan.num_guided == 0
    assert math.isclose(
        plan.seconds, plan.other_s + 30 * plan.plain_s + plan.num_windows * plan.decode_s
    )

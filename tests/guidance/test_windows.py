import weakref
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seehear.errors import SettingsError
from seehear.guidance.conditions import Targets
from seehear.guidance.objective import Agreement
from seehear.guidance.sampling import sample
from seehear.guidance.settings import AlignerConfig, SamplingSettings
from seehear.guidance.streams import V2A
from seehear.guidance.windows import WindowedBackbone, WindowLayout, weights_of
from seehear.models.backbones import gaussian
from seehear.models.binders import linear

LAYOUT = WindowLayout(window=16, overlap=4)  # the Gaussian backbone's native 2 s
SETTINGS = SamplingSettings(num_steps=6, guidance_scale=2.0, aligner=AlignerConfig(lr_latents=0.05))


def windowed(**options):
    return WindowedBackbone(gaussian.load(), LAYOUT, **options)


def started(backbone, duration_s, batch=2):
    z = backbone.prior(duration_s, batch, torch.Generator().manual_seed(0))
    prompts = ["rain", "a dog barking", "wind"][:batch]
    return {"audio": z}, {"audio": backbone.embed_prompt(prompts)}


def targets(count):
    binder = linear.load()
    text = {"text": binder.embed_text(["rain"])}
    return Targets(
        local=tuple({"video": binder.embed_text([f"part {k}"]), **text} for k in range(count)),
        whole={"video": binder.embed_text(["all"]), **text},
    )


def by_windows(backbone, length, **options):
    spans = tuple({"audio": span} for span in LAYOUT.spans(length))
    return Agreement(
        backbones={"audio": backbone}, binder=linear.load(), pairs=V2A, weights=(1.0, 1.0),
        windows=spans, targets=options.pop("targets", None) or targets(len(spans)), **options,
    )  # fmt: skip


@given(window=st.integers(2, 40), share=st.floats(0.01, 0.99), length=st.integers(1, 300))
def test_windows_cover_the_clip_overlap_enough_and_their_weights_sum_to_one(window, share, length):
    layout = WindowLayout(window=window, overlap=min(window - 1, max(1, int(share * window))))
    spans = layout.spans(length)
    assert spans[0].start == 0
    assert spans[-1].stop == length
    for before, after in pairwise(spans):
        assert after.start > before.start
        assert before.stop - after.start >= layout.overlap - 1  # starts are rounded
    check_weights(spans, length)


def check_weights(spans, length):
    total = torch.zeros(length, dtype=torch.float64)
    for span, weight in zip(spans, weights_of(spans, length), strict=True):
        assert (weight > 0).all()
        total[span] += weight
    torch.testing.assert_close(total, torch.ones_like(total))


@given(
    window=st.integers(2, 40), share=st.floats(0.01, 0.99), length=st.integers(1, 300),
    moved=st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_moved_windows_cover_the_clip_and_their_weights_sum_to_one(window, share, length, moved):
    layout = WindowLayout(window=window, overlap=min(window - 1, max(1, int(share * window))))
    spans = layout.spans(length, moved)
    assert spans[0].start == 0
    assert spans[-1].stop == length
    assert {span.stop - span.start for span in spans} == {min(window, length)}
    for before, after in pairwise(spans):
        assert before.start < after.start < before.stop
    check_weights(spans, length)


def test_windows_stand_elsewhere_at_every_noise_level():
    places = [LAYOUT.spans(100, level.t * 0.618 % 1) for level in gaussian.load().levels(10)]
    assert len({spans[1].start for spans in places}) > 5
    assert [span.start for span in LAYOUT.spans(100)] == [0, 12, 24, 36, 48, 60, 72, 84]


def test_windows_in_seconds_end_with_the_clip():
    assert LAYOUT.times_s(28, 8.0, 3.4) == [(0.0, 2.0), (1.5, 3.4)]


def test_one_window_is_the_inner_backbone_bit_for_bit():
    inner = gaussian.load()
    z, y = started(inner, 2.0)
    objective = Agreement(
        backbones={"audio": inner}, binder=linear.load(), pairs=V2A, weights=(1.0, 1.0),
        targets=Targets((), targets(1).whole),
    )  # fmt: skip
    plain = sample({"audio": inner}, z, y, objective, SETTINGS)
    outer = windowed()
    found = sample({"audio": outer}, *started(outer, 2.0), objective, SETTINGS)
    assert torch.equal(found.latents["audio"], plain.latents["audio"])
    assert torch.equal(outer.decode(plain.latents["audio"]), inner.decode(plain.latents["audio"]))


def test_the_objective_of_one_window_is_the_whole_clips():
    inner = gaussian.load()
    whole = targets(1).whole
    plain_objective = Agreement(
        backbones={"audio": inner}, binder=linear.load(), pairs=V2A, weights=(1.0, 1.0),
        targets=Targets((), whole),
    )  # fmt: skip
    z, y = started(inner, 2.0)
    plain = sample({"audio": inner}, z, y, plain_objective, SETTINGS)
    outer = windowed()
    objective = by_windows(outer, 16, targets=Targets(local=(whole,), whole=whole))
    found = sample({"audio": outer}, z, y, objective, SETTINGS)
    torch.testing.assert_close(found.latents["audio"], plain.latents["audio"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("max_batch", [1, 2, 100])
def test_windows_of_a_model_without_memory_fuse_to_its_own_prediction(max_batch):
    inner, outer = gaussian.load(), windowed(max_batch=max_batch)
    z, y = started(inner, 7.3, batch=3)
    level = inner.levels(10)[4]
    expected = inner.predict(z["audio"], level, y["audio"], 2.0)
    found = outer.predict(z["audio"], level, y["audio"], 2.0)
    torch.testing.assert_close(found.x0, expected.x0)
    torch.testing.assert_close(found.eps, expected.eps)


@pytest.mark.parametrize("duration_s", [2.3, 4.0, 7.3, 31.0])
def test_chunks_join_to_the_same_waveform(duration_s):
    outer = windowed()
    z = started(outer, duration_s)[0]["audio"]
    torch.testing.assert_close(outer.decode(z), gaussian.load().decode(z))


def test_a_decoder_that_adds_a_tail_and_wants_context_joins_without_a_seam():
    class Smoothing(gaussian.GaussianModel):
        def decode(self, z_0):  # every sample depends on three neighbours, and two come on top
            padded = torch.nn.functional.pad(super().decode(z_0), (2, 3))
            return padded.unfold(1, 4, 1).mean(dim=-1)

    plain = gaussian.load()
    smoothing = Smoothing(plain.mean, plain.covariance, "vp")
    z = started(plain, 7.3)[0]["audio"]
    whole = smoothing.decode(z)
    assert whole.shape[1] == plain.decode(z).shape[1] + 2
    torch.testing.assert_close(WindowedBackbone(smoothing, LAYOUT).decode(z), whole)


def test_a_clip_shorter_than_the_native_length_gets_a_native_window():
    assert started(windowed(), 0.5)[0]["audio"].shape[2] == 16


def test_each_window_hears_its_own_part_of_the_condition():
    outer = windowed()
    z, y = started(outer, 6.0)
    # Over several steps, what a window hears spreads to its neighbours through the overlaps.
    last_step_only = AlignerConfig(rule="descent", lr_latents=0.05, start=0.7)
    first, second = targets(4), targets(4)
    second = replace(second, local=(*second.local[:3], {"video": -second.local[3]["video"]}))
    found = [
        sample(
            {"audio": outer}, z, y, by_windows(outer, 48, targets=t, local_weight=1.0),
            replace(SETTINGS, aligner=last_step_only),
        ).latents["audio"]
        for t in (first, second)
    ]  # fmt: skip
    changed = (found[0] - found[1]).abs().amax(dim=(0, 1)) > 1e-9
    last = LAYOUT.spans(48)[3]
    assert changed[last].all()
    assert not changed[: last.start].any()


@pytest.mark.parametrize("through_denoiser", [False, True])
def test_windowed_guidance_lowers_local_and_whole_losses(through_denoiser):
    outer = windowed()
    z, y = started(outer, 6.0)
    settings = replace(
        SETTINGS,
        aligner=AlignerConfig(
            lr_latents=0.1,
            through_denoiser=through_denoiser,
            lr_prompt=0.05 if through_denoiser else 0.0,
        ),
    )
    trace = sample({"audio": outer}, z, y, by_windows(outer, 48), settings).trace
    guided = [entry.losses for entry in trace if entry.is_guided]
    assert set(guided[0]) == {
        "audio-video local", "audio-text local", "audio-video whole", "audio-text whole",
    }  # fmt: skip
    assert sum(guided[-1].values()) < sum(guided[0].values())


@pytest.mark.parametrize("through_denoiser", [False, True])
def test_no_two_windows_are_held_in_memory_at_once(through_denoiser):
    alive: list[weakref.ref] = []
    most = 0

    class Watching(gaussian.GaussianModel):
        def decode(self, z_0):
            nonlocal most
            assert z_0.shape[2] <= LAYOUT.window
            media = super().decode(z_0)
            kept = media * 1.0
            alive.append(weakref.ref(kept))
            most = max(most, sum(ref() is not None for ref in alive))
            return kept**2  # its graph keeps `kept`

    plain = gaussian.load()
    outer = WindowedBackbone(Watching(plain.mean, plain.covariance, "vp"), LAYOUT)
    z, y = started(outer, 20.0)
    settings = replace(
        SETTINGS, aligner=AlignerConfig(lr_latents=0.1, through_denoiser=through_denoiser)
    )
    objective = by_windows(outer, 160)
    assert len(objective.windows) == 13
    sample({"audio": outer}, z, y, objective, settings)
    assert len(alive) == 4 * 13
    assert most == 1


def test_only_the_part_that_is_kept_is_scored():
    outer = windowed()
    z, y = started(outer, 1.0)
    objective = by_windows(outer, 16, duration_s=1.0)
    config = AlignerConfig(rule="descent", lr_latents=0.1)
    settings = SamplingSettings(num_steps=4, guidance_scale=1.0, aligner=config)
    guided = sample({"audio": outer}, z, y, objective, settings).latents["audio"]
    plain = sample({"audio": outer}, z, y, None, settings).latents["audio"]
    assert torch.equal(guided[:, :, 8:], plain[:, :, 8:])
    assert not torch.equal(guided[:, :, :8], plain[:, :, :8])


def test_impossible_layouts_are_refused():
    with pytest.raises(SettingsError, match="overlap"):
        WindowLayout(window=8, overlap=8)
    with pytest.raises(SettingsError, match="crossfade"):
        windowed(crossfade=5)
    with pytest.raises(SettingsError, match="one local target per window"):
        by_windows(windowed(), 48, targets=targets(2))

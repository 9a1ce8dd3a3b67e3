"""References: losses that move generated media towards or away from text and recordings."""

import math

import pytest
import torch

from seehear.guidance.conditions import Targets
from seehear.guidance.objective import Agreement
from seehear.guidance.references import Reference, reference_losses, veto_loss
from seehear.guidance.sampling import sample
from seehear.guidance.settings import AlignerConfig, SamplingSettings
from seehear.guidance.streams import V2A
from seehear.models.backbones import gaussian
from seehear.models.binders import linear


def at_angle(degrees):
    radians = math.radians(degrees)
    return torch.tensor([[math.cos(radians), math.sin(radians)]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("degrees", "margin", "expected"),
    [(0, 0.0, 1.0), (60, 0.0, 0.5), (60, 0.2, 0.3), (90, 0.05, 0.0), (180, 0.0, 0.0)],
)
def test_a_veto_is_the_similarity_above_its_margin(degrees, margin, expected):
    loss = veto_loss(at_angle(0), at_angle(degrees), margin)
    torch.testing.assert_close(loss, torch.tensor([expected], dtype=torch.float64))


def test_every_stream_is_compared_with_every_reference():
    like = Reference(name="like", embedding=at_angle(60), weight=2.0)
    veto = Reference(name="veto", embedding=at_angle(60), weight=3.0, is_veto=True, margin=0.1)
    losses = reference_losses({"audio": at_angle(0), "video": at_angle(60)}, [like, veto])
    assert {name: round(float(loss), 6) for name, loss in losses.items()} == {
        "audio-like": 1.0, "video-like": 0.0, "audio-veto": 1.2, "video-veto": 2.7,
    }  # fmt: skip


@pytest.mark.parametrize(("is_veto", "sign"), [(True, -1), (False, 1)])
def test_guidance_moves_samples_away_from_a_veto_and_towards_a_reference(is_veto, sign):
    backbone, binder = gaussian.load(), linear.load()
    z = backbone.prior(2.0, 8, torch.Generator().manual_seed(0))
    target = binder.embed_text(["wind"])

    def similarity(*references):
        objective = Agreement(
            backbones={"audio": backbone}, binder=binder, pairs=V2A, weights=(1.0, 1.0),
            targets=Targets((), {"text": binder.embed_text(["rain"])}), references=references,
        )  # fmt: skip
        settings = SamplingSettings(
            num_steps=10, guidance_scale=1.0, aligner=AlignerConfig(rule="relative", lr_latents=0.2)
        )
        prompts = {"audio": backbone.embed_prompt(["rain"] * 8)}
        sampled = sample({"audio": backbone}, {"audio": z}, prompts, objective, settings)
        audio = backbone.decode(sampled.latents["audio"])
        return binder.embed_audio(audio, round(backbone.sample_rate)) @ target[0]

    reference = Reference(name="x", embedding=target, weight=5.0, is_veto=is_veto, margin=-1.0)
    change = similarity(reference) - similarity()
    assert (sign * change > 0.05).all(), change

"""The published checkpoints themselves, where they are on this machine: `scripts/test -m slow`.

Everything here is skipped for a checkpoint that `seehear models pull` has not fetched. With a GPU
the runs take minutes; `SEEHEAR_DEVICE` says where (cuda, if there is one).
"""

import os
from pathlib import Path

import pytest
import torch
from small_family import moving_frames

from seehear.diagnostics.estimate import estimate_run
from seehear.diagnostics.memory_mode import HEADROOM, fitting, free_bytes
from seehear.evaluation import FEATURES, load_measure
from seehear.metrics.features.protocol import EmbedsAudio
from seehear.models import cache, captioners, checkpoints
from seehear.models.backbones import animatediff, audioldm
from seehear.models.binders import imagebind
from seehear.models.catalogue import BY_NAME, ENTRIES, ModelEntry
from seehear.models.hf_components import read_network
from seehear.pipeline.inputs import as_video
from seehear.pipeline.paper_runs import PAPER_RUNS
from seehear.pipeline.studio import load

pytestmark = pytest.mark.slow
DEVICE = os.environ.get("SEEHEAR_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def here(entry: ModelEntry) -> Path:
    found = cache.path_of(entry)
    if found is None:
        pytest.skip(f"{entry.name} is not on this machine")
    return found


def entries(*roles: str) -> list:
    return [pytest.param(e, id=e.name) for e in ENTRIES if e.role in roles]


@pytest.mark.parametrize("entry", entries(*{e.role for e in ENTRIES}))
def test_files_are_whole_and_those_published(entry):
    for verdict in checkpoints.verify(here(entry), entry):
        assert verdict.is_fine, verdict


@pytest.mark.parametrize("entry", entries("audio"))
def test_sound_models_load_and_make_a_sound(entry):
    model = audioldm.load(here(entry), device=DEVICE, local_files_only=True)
    total = sum(p.numel() for n in (model.unet, model.vae, model.vocoder, model.text_encoder)
                for p in n.parameters())  # fmt: skip
    assert total == pytest.approx(entry.parameters, rel=0.002)
    waveform = model.decode(model.prior(1.0, 1, torch.Generator().manual_seed(0)))
    assert waveform.isfinite().all()


@pytest.mark.parametrize("entry", entries("image"))
def test_picture_models_load_as_stills(entry):
    model = animatediff.load(here(entry), num_frames=1, device=DEVICE, local_files_only=True)
    y = model.embed_prompt(["a dog"])
    z = model.prior(1.0, 1, torch.Generator().manual_seed(0))
    assert model.predict(z, model.levels(10)[5], y, 7.5).x0.isfinite().all()


@pytest.mark.parametrize("entry", entries("motion"))
def test_motion_adapters_fit_the_picture_model(entry):
    pictures = here(BY_NAME["sd-1.5"])
    model = animatediff.load(
        pictures, motion=here(entry), num_frames=4, height=64, width=64, local_files_only=True
    )
    z = model.prior(0.5, 1, torch.Generator().manual_seed(0))
    y = model.embed_prompt(["a dog"])
    assert model.predict(z, model.levels(10)[5], y, 7.5).x0.isfinite().all()


@pytest.mark.parametrize("entry", entries("decoder"))
def test_tiny_decoders_load(entry):
    from diffusers import AutoencoderTiny

    assert read_network(AutoencoderTiny, here(entry))


@pytest.mark.parametrize("entry", entries("binder"))
def test_the_binder_knows_a_dog_by_sight_and_by_name(entry):
    path = here(entry)
    binder = imagebind.load(path, vocabulary=path.parent, device=DEVICE)
    e = binder.embed_text(["a dog", "a car", "the sea"])
    assert torch.allclose(e.norm(dim=1), torch.ones(3, device=e.device), atol=1e-4)
    assert (e @ e.T)[0, 1] < 0.95


@pytest.mark.parametrize("entry", entries("image captioner", "audio captioner"))
def test_captioners_describe(entry):
    writer = captioners.load(here(entry), device=DEVICE)
    if hasattr(writer, "caption_picture"):
        assert writer.caption_image(torch.full((3, 224, 224), 128, dtype=torch.uint8))
    else:
        assert writer.caption_audio(torch.randn(16_000) * 0.1, 16_000)


@pytest.mark.parametrize("measure", [m for m in FEATURES.values() if m.entry], ids=lambda m: m.name)
def test_networks_that_judge_tell_noise_from_silence(measure):
    here(BY_NAME[measure.entry])
    network = load_measure(measure.name).network
    generator = torch.Generator().manual_seed(0)
    if isinstance(network, EmbedsAudio):
        found = network.from_audio(0.1 * torch.randn(2, 32_000, generator=generator), 16_000)
        other = network.from_audio(torch.zeros(2, 32_000), 16_000)
    else:
        found = network.from_video(torch.rand(2, 16, 3, 64, 64, generator=generator), 8.0)
        other = network.from_video(torch.zeros(2, 16, 3, 64, 64), 8.0)
    assert found.embedding.isfinite().all()
    assert not torch.allclose(found.embedding, other.embedding, atol=1e-2)


def test_paper_v2a_runs_a_few_steps_within_the_memory_there_is():
    recipe = PAPER_RUNS["paper-v2a"]
    for name in ("imagebind", "audioldm-m-full"):
        here(BY_NAME[name])
    budget = int(HEADROOM * free_bytes(DEVICE))
    plan = fitting(DEVICE, budget, lambda plan: estimate_run(recipe, plan).peak_bytes)
    options = {"binder_options": dict(recipe.binder), "device": DEVICE, **plan.options}
    studio = load("paper", **options)
    result = studio.video_to_audio(as_video(moving_frames(25), fps=25.0), "rain", preset="authors")
    assert torch.as_tensor(result.waveform).isfinite().all()

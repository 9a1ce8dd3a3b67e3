from dataclasses import replace

import pytest

from seehear.errors import SettingsError
from seehear.guidance.settings import SamplingSettings
from seehear.guidance.streams import JOINT_OWN
from seehear.pipeline.presets import (
    JOINT_PRESETS,
    PAPER_PRESETS,
    PRESETS,
    Preset,
    preset_for,
    presets_of,
)


def test_presets_go_by_their_own_names():
    assert list(PRESETS) == ["default", "fast", "wordless", "latents", "authors", "equations"]
    assert all(preset.name == name for name, preset in PRESETS.items())


def test_authors_differ_from_the_equations_in_rule_level_and_denoiser_gradient():
    authors = PRESETS["authors"].settings.aligner
    equations = PRESETS["equations"].settings.aligner
    assert (authors.rule, authors.level, authors.through_denoiser) == ("fresh_adam", "stale", False)
    assert (equations.rule, equations.level) == ("descent", "matching")
    assert equations.through_denoiser


@pytest.mark.parametrize("task", ["v2a", "i2a", "a2v", "joint"])
def test_a_fast_paper_preset_differs_only_in_its_gradient(task):
    full, fast = PAPER_PRESETS[task]
    assert presets_of(task)[f"paper-{task}-fast"] is fast
    aligner = full.settings.aligner
    changed = replace(aligner, through_denoiser=False, lr_prompt=0.0, level="matching")
    assert fast.settings == replace(full.settings, aligner=changed)
    assert fast == replace(full, name=fast.name, settings=fast.settings, latent_encoder=True)


def test_equations_for_both_have_the_papers_rate_of_either_stream():
    aligner = preset_for("joint", "equations").settings.aligner
    assert aligner.lr_latents == {"audio": 0.1, "video": 0.01}  # section 4.1


@pytest.mark.parametrize("name", sorted(JOINT_PRESETS))
def test_a_sound_beside_a_picture_has_the_guidance_scale_that_it_has_alone(name):
    scale = preset_for("joint", name).settings.guidance_scale
    assert scale["audio"] == 2.5


def test_weights_of_pairs_with_prompts_of_their_own_stay():
    preset = replace(preset_for("joint", "default"), pairs=JOINT_OWN, weights=(1.0, 0.3, 0.6))
    assert preset_for("joint", preset) == preset


def test_a_preset_needs_a_weight_for_every_pair():
    with pytest.raises(SettingsError, match="one weight per pair"):
        Preset(name="odd", settings=SamplingSettings(), weights=(1.0,))

import pytest

from seehear.errors import SettingsError
from seehear.presets import PRESETS, Preset
from seehear.sampling import SamplingSettings


def test_three_presets_go_by_their_own_names():
    assert list(PRESETS) == ["default", "wordless", "latents", "authors", "equations"]
    assert all(preset.name == name for name, preset in PRESETS.items())


def test_authors_differ_from_the_equations_in_rule_level_and_denoiser_gradient():
    authors = PRESETS["authors"].settings.aligner
    equations = PRESETS["equations"].settings.aligner
    assert (authors.rule, authors.level, authors.through_denoiser) == ("fresh_adam", "stale", False)
    assert (equations.rule, equations.level) == ("descent", "matching")
    assert equations.through_denoiser


def test_a_preset_needs_a_weight_for_every_pair():
    with pytest.raises(SettingsError, match="one weight per pair"):
        Preset(name="odd", settings=SamplingSettings(), weights=(1.0,))

"""Altered copies of what is made."""

import pytest
import torch
from torch.nn import functional

from seehear.errors import SettingsError
from seehear.guidance.augmentation import augment_images, augment_mels
from seehear.guidance.decoding import AugmentedViews, Frames, Waveform
from seehear.guidance.settings import ImageAugmentation, MelAugmentation


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class MeanColour:
    """Embeds frames by their mean colour, waveforms by their first samples."""

    def embed_video(self, frames):
        return functional.normalize(frames.mean(dim=(1, 3, 4)), dim=1)

    def embed_audio(self, waveform, sample_rate):
        return waveform[:, :3]

    def embed_text(self, prompts):
        raise AssertionError("nothing was said")


STILL = ImageAugmentation(per_step=1, nearest=1.0, farthest=1.0, colour=0.0, mixing=0.0)
UNHEARD = MelAugmentation(per_step=1, pitch=0.0, tempo=0.0, shift=0.0, tone=0.0)


def test_looks_that_alter_nothing_show_the_picture_or_its_mirror_image():
    pictures = torch.rand(32, 3, 16, 20, generator=generator())
    seen = augment_images(STILL, pictures, generator())
    is_same = (seen - pictures).abs().amax(dim=(1, 2, 3)) < 1e-5
    is_mirrored = (seen - pictures.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert (is_same | is_mirrored).all()
    assert is_same.any()
    assert is_mirrored.any()


def test_hearings_that_alter_nothing_are_the_mel():
    mel = torch.randn(2, 40, 64, generator=generator())
    assert (augment_mels(UNHEARD, mel, generator()) - mel).abs().max() < 1e-4


def test_a_nearer_look_shows_less():
    ramp = torch.linspace(0, 1, 32).expand(8, 3, 32, 32)
    seen = augment_images(
        ImageAugmentation(nearest=0.5, farthest=0.5, colour=0.0, mixing=0.0), ramp, generator()
    )
    spread = seen.amax(dim=(1, 2, 3)) - seen.amin(dim=(1, 2, 3))
    assert torch.allclose(spread, torch.tensor(0.5), atol=0.03)


def test_grey_stays_grey_when_colours_mix():
    grey = torch.full((6, 3, 8, 8), 0.4)
    seen = augment_images(
        ImageAugmentation(nearest=1.0, farthest=1.0, colour=0.0, mixing=0.5), grey, generator()
    )
    assert (seen - 0.4).abs().max() < 1e-5


def test_a_shift_in_pitch_moves_a_tone_to_other_bands_by_about_its_spread():
    mel = torch.full((200, 8, 64), -5.0)
    mel[:, :, 32] = 0.0
    heard = augment_mels(
        MelAugmentation(pitch=3.0, tempo=0.0, shift=0.0, tone=0.0), mel, generator()
    )
    bands = heard.mean(1).argmax(1).float()
    assert bands.std() == pytest.approx(3.0, rel=0.2)


def test_the_same_seed_alters_alike_and_every_draw_differs():
    frames = Frames(torch.rand(1, 2, 3, 8, 8, generator=generator()), fps=4.0)
    first, again = (
        AugmentedViews(ImageAugmentation(per_step=1), MelAugmentation(), seed=3) for _ in range(2)
    )
    assert torch.equal(frames.augment(first).frames, frames.augment(again).frames)
    assert not torch.equal(frames.augment(first).frames, frames.augment(first).frames)


def test_copies_are_embedded_by_their_mean_and_gradients_reach_what_is_made():
    pixels = torch.rand(2, 3, 3, 8, 8, generator=generator()).requires_grad_()
    copies = AugmentedViews(ImageAugmentation(per_step=5), MelAugmentation(per_step=5), seed=0)
    embedded = copies.embedding(MeanColour(), Frames(pixels, fps=4.0))
    assert torch.allclose(embedded.norm(dim=1), torch.ones(2))
    embedded[:, 0].sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().amax(dim=(1, 2, 3, 4)) > 0).all()


@pytest.mark.parametrize("is_copied", [False, True])
def test_without_copies_what_is_made_is_embedded_as_it_is(is_copied):
    copies = AugmentedViews(ImageAugmentation(), MelAugmentation(), seed=0)
    frames = Frames(torch.rand(2, 3, 3, 8, 8, generator=generator()), fps=4.0)
    assert torch.equal(copies.embedding(MeanColour(), frames), frames.embedding(MeanColour()))
    if is_copied:
        copies = AugmentedViews(ImageAugmentation(per_step=9), MelAugmentation(per_step=9), seed=0)
    sound = Waveform(torch.rand(2, 100, generator=generator()), 16_000)  # has no copies
    assert torch.equal(copies.embedding(MeanColour(), sound), sound.embedding(MeanColour()))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ImageAugmentation(per_step=-1), "per_step"),
        (lambda: ImageAugmentation(nearest=0.0), "nearest"),
        (lambda: ImageAugmentation(nearest=1.2, farthest=1.0), "nearest"),
        (lambda: ImageAugmentation(mixing=-0.1), "mixing"),
        (lambda: MelAugmentation(per_step=-2), "per_step"),
        (lambda: MelAugmentation(tempo=1.0), "tempo"),
        (lambda: MelAugmentation(pitch=-1.0), "pitch"),
    ],
)
def test_settings_out_of_range_are_named(make, said):
    with pytest.raises(SettingsError, match=said):
        make()

"""The binder's eye: pictures of any size in, unit vectors and gradients out."""

import pytest
import torch

from seehear.models.binders.pocket.image_encoder import ImageEncoder, image_encoder_input


@pytest.fixture(scope="module")
def eye() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder().eval()


def pictures(height: int, width: int) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (48, 80), (1, 1)])
def test_pictures_of_any_size_become_unit_vectors(eye, size):
    found = eye(pictures(*size))
    assert found.shape == (2, 384)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def test_a_picture_of_its_own_size_is_read_pixel_by_pixel():
    picture = pictures(64, 64)
    torch.testing.assert_close(image_encoder_input(picture) * 0.25 + 0.5, picture)


def test_gradients_reach_all_pixels(eye):
    picture = pictures(64, 64).requires_grad_(True)
    eye(picture)[:, 0].sum().backward()
    assert (picture.grad.abs().sum(1) > 0).all()
    assert picture.grad.isfinite().all()

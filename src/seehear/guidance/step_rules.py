"""Step directions from gradients: the arithmetic of the aligner's step rules, per sample."""

import torch
from jaxtyping import Float
from torch import Tensor

ADAM_BETAS = (0.9, 0.999)  # PyTorch's defaults, as in the authors' code
ADAM_EPS = 1e-8

Moments = dict[str, Tensor]  # optimiser state of one variable


def adam_direction(grad: Tensor, moments: Moments) -> Tensor:
    """Adam's bias-corrected direction (Kingma & Ba 2015), in PyTorch's order of operations."""
    beta_1, beta_2 = ADAM_BETAS
    zeros = torch.zeros_like(grad)
    steps = moments.get("steps", torch.zeros(())) + 1
    mean = moments.get("mean", zeros).lerp(grad, 1 - beta_1)
    square = moments.get("square", zeros) * beta_2
    square = torch.addcmul(square, grad, grad, value=1 - beta_2)
    moments.update(steps=steps, mean=mean, square=square)
    count = int(steps)
    root = square.sqrt() / (1 - beta_2**count) ** 0.5 + ADAM_EPS
    return mean / root / (1 - beta_1**count)


def heavy_ball(grad: Tensor, moments: Moments, momentum: float) -> Tensor:
    """The gradient plus `momentum` times the previous direction."""
    if momentum > 0:
        grad = grad + momentum * moments.get("direction", torch.zeros_like(grad))
        moments["direction"] = grad
    return grad


def sample_norm(samples: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Euclidean norm of every sample, broadcastable; at least the smallest positive number."""
    norm = samples.flatten(1).norm(dim=1).view(-1, *[1] * (samples.ndim - 1))
    return norm.clamp(min=torch.finfo(samples.dtype).tiny)


def sample_rms(samples: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Root mean square of every sample, broadcastable; never 0."""
    return sample_norm(samples) / samples[0].numel() ** 0.5


def mean_norm(samples: Float[Tensor, "batch ..."]) -> float:
    """Mean Euclidean norm over the batch."""
    return samples.flatten(1).norm(dim=1).mean().item()


def relative_change(before: Tensor, after: Tensor) -> float:
    """Mean over the batch of rms(after - before) / rms(before); rows are samples."""
    return ((after - before).flatten(1).norm(dim=1) / sample_norm(before).flatten()).mean().item()

"""Scores of class probabilities: inception score and KL divergence of paired clips."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

EPS = 1e-6  # added to generated probabilities by SpecVQGAN and audioldm_eval


def inception_score(
    logits: Float[Tensor, "n classes"], *, splits: int = 10, shuffle: bool = True
) -> tuple[float, float]:
    """Inception score (ISc): exp of the mean KL from the split's mean. Higher is better.

    Args:
        logits: One row per clip.
        splits: Number of splits that are scored separately. The score cannot exceed n / splits.
        shuffle: Shuffle the clips in the order of torch-fidelity and audioldm_eval.

    Returns:
        Mean and population standard deviation over the splits.

    Raises:
        ValueError: Fewer rows than splits.

    Source: Salimans et al. 2016, arXiv:1606.03498.
    """
    n = len(logits)
    if n < splits:
        raise ValueError(f"expected at least one clip per split, got {n} for {splits}")
    rows = logits.detach().double().cpu()
    if shuffle:
        order = np.random.RandomState(2020).permutation(n)  # the order of the reference code
        rows = rows[torch.from_numpy(order)]
    log_p = rows.log_softmax(1)
    p = log_p.exp()
    scores = []
    for i in range(splits):
        part = slice(i * n // splits, (i + 1) * n // splits)
        marginal = p[part].mean(0, keepdim=True)
        terms = p[part] * (log_p[part] - marginal.log())
        divergence = terms.where(p[part] > 0, 0.0).sum(1)  # 0 log 0 is 0
        scores.append(float(divergence.mean().exp()))
    return float(np.mean(scores)), float(np.std(scores))


def paired_kl(
    real: Float[Tensor, "n classes"],
    generated: Float[Tensor, "m classes"],
    *,
    kind: Literal["softmax", "sigmoid"] = "softmax",
    eps: float = EPS,
) -> float:
    """Mean KL divergence KL(real || generated) over pairs: KL, MKL. Lower is better.

    Args:
        real: Logits of real clips.
        generated: Logits of the generated clips, in the same order.
        kind: "softmax" is MKL of SpecVQGAN and KL of audioldm_eval. "sigmoid" is KL_Sigmoid of
            audioldm_eval: the sum of p log(p/q) over classes, without the complements.
        eps: Added to the generated probabilities; 0 is exact. With eps > 0, identical clips
            score -eps times the number of classes.

    Raises:
        ValueError: The shapes differ.

    Source: Iashin & Rahtu 2021, arXiv:2110.08791.
    """
    return float(paired_kls(real, generated, kind=kind, eps=eps).mean())


def paired_kls(
    real: Float[Tensor, "n classes"],
    generated: Float[Tensor, "m classes"],
    *,
    kind: Literal["softmax", "sigmoid"] = "softmax",
    eps: float = EPS,
) -> Float[Tensor, " n"]:
    """`paired_kl` of every pair, used for intervals."""
    if real.shape != generated.shape:
        raise ValueError(
            f"expected pairs of equal shape, got {tuple(real.shape)} and {tuple(generated.shape)}"
        )
    p, q = real.detach().double(), generated.detach().double()
    if kind == "softmax":
        log_p, log_q = p.log_softmax(1), q.log_softmax(1)
    else:
        log_p, log_q = functional.logsigmoid(p), functional.logsigmoid(q)
    if eps:
        log_q = (log_q.exp() + eps).log()
    return (log_p.exp() * (log_p - log_q)).sum(1)

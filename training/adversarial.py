"""A resumable loop for a generator and its discriminators, and small discriminators for audio."""

import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.loop import scores_of_average, update_average, write_state
from training.world.pictures import CACHE


class SpectrogramDiscriminator(nn.Module):
    """Judges patches of a magnitude spectrogram (UnivNet, arXiv:2106.07889, with few channels)."""

    def __init__(self, window: int, hop: int, channels: int = 16):
        super().__init__()
        self.window, self.hop = window, hop
        sizes = [1, channels, channels * 2, channels * 2, channels * 2]
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(
                nn.Conv2d(a, b, (3, 7), stride=(1, 2) if i else 1, padding=(1, 3))
            )
            for i, (a, b) in enumerate(itertools.pairwise(sizes))
        )
        self.last = nn.utils.parametrizations.weight_norm(nn.Conv2d(sizes[-1], 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """Features of every layer; the last one is the verdict."""
        window = torch.hann_window(self.window, device=waveform.device)
        spectrum = torch.stft(
            waveform, self.window, self.hop, window=window, return_complex=True
        ).transpose(1, 2)
        magnitude = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-9)
        x = magnitude.clamp(min=1e-5).pow(0.3)[:, None]
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.1)
            features.append(x)
        return [*features, self.last(x)]


class PeriodDiscriminator(nn.Module):
    """Judges samples that lie a period apart (HiFi-GAN, arXiv:2010.05646, with few channels)."""

    def __init__(self, period: int, channels: int = 16):
        super().__init__()
        self.period = period
        sizes = [1, channels, channels * 2, channels * 4]
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(
                nn.Conv2d(a, b, (5, 1), stride=(3, 1), padding=(2, 0))
            )
            for a, b in itertools.pairwise(sizes)
        )
        self.last = nn.utils.parametrizations.weight_norm(
            nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0))
        )

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """Features of every layer; the last one is the verdict."""
        rest = -waveform.shape[1] % self.period
        x = functional.pad(waveform[:, None], (0, rest), mode="reflect")
        x = x.unflatten(2, (-1, self.period))
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.1)
            features.append(x)
        return [*features, self.last(x)]


class PatchDiscriminator(nn.Module):
    """Judges patches of an image or of a log mel (pix2pix, arXiv:1611.07004, small)."""

    def __init__(self, channels: int = 32, in_channels: int = 1, pool: int = 1):
        super().__init__()
        self.pool = pool
        sizes = [in_channels, channels, channels * 2, channels * 2]
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(a, b, 4, stride=2, padding=1))
            for a, b in itertools.pairwise(sizes)
        )
        self.last = nn.utils.parametrizations.weight_norm(nn.Conv2d(sizes[-1], 1, 3, padding=1))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of every layer; the last one is the verdict."""
        x = functional.avg_pool2d(image, self.pool) if self.pool > 1 else image
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2)
            features.append(x)
        return [*features, self.last(x)]


def discriminator_loss(real: Sequence[list[Tensor]], fake: Sequence[list[Tensor]]) -> Tensor:
    """Least squares: 1 for real media, 0 for generated ones (arXiv:1611.04076)."""
    losses = [
        (1 - r[-1]).square().mean() + f[-1].square().mean()
        for r, f in zip(real, fake, strict=False)
    ]
    return torch.stack(losses).mean()


def generator_losses(
    real: Sequence[list[Tensor]], fake: Sequence[list[Tensor]]
) -> tuple[Tensor, Tensor]:
    """The adversarial loss of the generator, and the feature matching distance."""
    verdict = torch.stack([(1 - f[-1]).square().mean() for f in fake]).mean()
    distances = [
        (a.detach() - b).abs().mean() / a.detach().abs().mean().clamp(min=1e-3)
        for r, f in zip(real, fake, strict=False)
        for a, b in zip(r[:-1], f[:-1], strict=False)
    ]
    return verdict, torch.stack(distances).mean()


@dataclass(frozen=True, kw_only=True)
class AdversarialRun:
    """How long and how fast to train."""

    name: str  # folder below cache/runs
    minutes: float  # wall-clock budget over all calls
    lr: float
    lr_end: float  # reached exponentially over the budget
    lr_discriminators: float
    begin_step: int  # of the discriminators; the generator learns alone before
    warmup_steps: int = 100
    average: float = 0.999
    clip_norm: float = 10.0
    save_every_s: float = 300.0
    seed: int = 0


def train_adversarial(
    run: AdversarialRun,
    generator: nn.Module,
    discriminators: nn.ModuleList,
    batch_of: Callable[[int], tuple[Tensor, Callable[[], Tensor]]],
    losses_of: Callable[[Tensor, Tensor], dict[str, Tensor]],
    weights: tuple[float, float],
    evaluate: Callable[[nn.Module], dict[str, float]],
) -> nn.Module:
    """Train until the budget is spent; return the generator with averaged weights.

    Args:
        run: The schedule.
        generator: What is trained and kept.
        discriminators: Each maps media to a list of features that ends in its verdict.
        batch_of: From a step to real media and a function that generates their counterpart; a
            generator with more to say (a KL term) keeps it for `losses_of`.
        losses_of: Reconstruction losses of real and generated media, which are added.
        weights: Of the discriminators' verdict and of the distance of their features.
        evaluate: Scores of the averaged weights, written to the log.
    """
    folder: Path = CACHE / "runs" / run.name
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(
        generator.parameters(), lr=run.lr, betas=(0.8, 0.99), weight_decay=0.01, fused=True
    )
    critic = torch.optim.AdamW(
        discriminators.parameters(), lr=run.lr_discriminators, betas=(0.8, 0.99), fused=True
    )
    averaged = {k: v.detach().clone() for k, v in generator.state_dict().items()}
    step, spent_s = 0, 0.0
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=True)
        generator.load_state_dict(state["model"])
        discriminators.load_state_dict(state["discriminators"])
        optimiser.load_state_dict(state["optimiser"])
        critic.load_state_dict(state["critic"])
        averaged, step, spent_s = state["averaged"], state["step"], state["spent_s"]
    log = (folder / "log.jsonl").open("a")
    began, saved = time.monotonic() - spent_s, time.monotonic()
    sums: dict[str, float] = {}
    budget_s = 60 * run.minutes

    def save() -> None:
        state = {
            "model": generator.state_dict(), "discriminators": discriminators.state_dict(),
            "optimiser": optimiser.state_dict(), "critic": critic.state_dict(),
            "averaged": averaged, "step": step, "spent_s": spent_s,
        }  # fmt: skip
        write_state(folder, state)

    def note(line: dict[str, float]) -> None:
        log.write(json.dumps({"step": step, "s": round(spent_s, 1)} | line) + "\n")
        log.flush()

    while (spent_s := time.monotonic() - began) < budget_s:
        torch.manual_seed(run.seed * 1_000_003 + step)
        share = (run.lr_end / run.lr) ** min(spent_s / budget_s, 1.0)
        warm = min(1.0, (step + 1) / run.warmup_steps)
        for group in optimiser.param_groups:
            group["lr"] = run.lr * share * warm
        late = min(1.0, max(0.0, (step - run.begin_step + 1) / run.warmup_steps))
        for group in critic.param_groups:
            group["lr"] = run.lr_discriminators * share * late
        real, generate = batch_of(step)
        fake = generate()
        losses = losses_of(real, fake)
        if step >= run.begin_step:
            discriminators.requires_grad_(True)
            verdicts = [d(torch.cat([real, fake.detach()])) for d in discriminators]
            halves = [[f.chunk(2) for f in v] for v in verdicts]
            loss = discriminator_loss(
                [[a for a, _ in h] for h in halves], [[b for _, b in h] for h in halves]
            )
            critic.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(discriminators.parameters(), run.clip_norm)
            critic.step()
            discriminators.requires_grad_(False)
            with torch.no_grad():
                features = [d(real) for d in discriminators]
            verdict, distance = generator_losses(features, [d(fake) for d in discriminators])
            losses |= {"fool": weights[0] * late * verdict, "features": weights[1] * distance}
            sums["critic"] = sums.get("critic", 0.0) + float(loss.detach())
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        norm = nn.utils.clip_grad_norm_(generator.parameters(), run.clip_norm)
        if math.isfinite(float(norm)):
            optimiser.step()
        step += 1
        update_average(averaged, generator, step, run.average)
        for key, value in {**losses, "grad_norm": norm}.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        if step % 50 == 0:
            note({k: v / 50 for k, v in sums.items()})
            sums = {}
        if time.monotonic() - saved > run.save_every_s:
            save()
            saved = time.monotonic()
            note(scores_of_average(averaged, generator, evaluate))
    save()
    generator.load_state_dict(averaged)
    return generator.eval()

"""A resumable training loop: AdamW, warm-up and cosine decay, averaged weights, a log to plot."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training.world.pictures import CACHE


def has_bfloat16() -> bool:
    """Whether the processor itself computes in bfloat16."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def fast_arithmetic() -> torch.autocast:
    """bfloat16 where the processor computes in it; elsewhere float32, ten times as fast there."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())


@dataclass(frozen=True, kw_only=True)
class Run:
    """How long and how fast to train."""

    name: str  # folder below cache/runs
    minutes: float  # wall-clock budget; the learning rate follows the share of it that is spent
    lr: float
    weight_decay: float = 0.01
    warmup_steps: int = 100
    average: float = 0.999  # decay of the averaged weights that are kept
    clip_norm: float = 1.0
    save_every_s: float = 120.0
    seed: int = 0


def train(
    run: Run,
    model: nn.Module,
    loss_of: Callable[[int], dict[str, Tensor]],
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> nn.Module:
    """Train until the budget is spent; return the model with averaged weights.

    `loss_of(step)` draws a batch and returns named losses; they are added. The state is saved to
    cache/runs/<name>/state.pt and picked up from there by the next call.
    """
    folder: Path = CACHE / "runs" / run.name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.seed)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=run.lr, weight_decay=run.weight_decay, betas=(0.9, 0.98), fused=True
    )
    averaged = {k: v.detach().clone() for k, v in model.state_dict().items()}
    step, spent_s = 0, 0.0
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        averaged, step, spent_s = state["averaged"], state["step"], state["spent_s"]
        torch.manual_seed(run.seed + step)
    log = (folder / "log.jsonl").open("a")
    began, saved = time.monotonic() - spent_s, time.monotonic()
    sums: dict[str, float] = {}
    budget_s = 60 * run.minutes
    while (spent_s := time.monotonic() - began) < budget_s:
        decay = 0.5 * (1 + math.cos(math.pi * spent_s / budget_s))
        for group in optimiser.param_groups:
            group["lr"] = run.lr * min(1.0, (step + 1) / run.warmup_steps) * max(decay, 0.02)
        losses = loss_of(step)
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, run.clip_norm)
        optimiser.step()
        step += 1
        update_average(averaged, model, step, run.average)
        for key, value in {**losses, "grad_norm": norm}.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        if step % 50 == 0:
            line = {"step": step, "s": round(spent_s, 1)} | {k: v / 50 for k, v in sums.items()}
            log.write(json.dumps(line) + "\n")
            log.flush()
            sums = {}
        if time.monotonic() - saved > run.save_every_s:
            _save(folder, model, optimiser, averaged, step, spent_s)
            saved = time.monotonic()
            if evaluate is not None:
                scores = scores_of_average(averaged, model, evaluate)
                log.write(json.dumps({"step": step, "s": round(spent_s, 1)} | scores) + "\n")
                log.flush()
    _save(folder, model, optimiser, averaged, step, spent_s)
    model.load_state_dict(averaged)
    return model.eval()


def _save(folder, model, optimiser, averaged, step, spent_s) -> None:
    state = {
        "model": model.state_dict(), "optimiser": optimiser.state_dict(),
        "averaged": averaged, "step": step, "spent_s": spent_s,
    }  # fmt: skip
    write_state(folder, state)


@torch.no_grad()
def update_average(
    averaged: dict[str, Tensor], model: nn.Module, step: int, average: float
) -> None:
    """Move averaged weights towards the model's, faster in the first steps."""
    rate = min(average, (1 + step) / (10 + step))
    current = model.state_dict()
    pairs = [(averaged[k], v) for k, v in current.items() if v.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in pairs], [v for _, v in pairs], 1 - rate)


def scores_of_average(
    averaged: dict[str, Tensor],
    model: nn.Module,
    evaluate: Callable[[nn.Module], dict[str, float]],
) -> dict[str, float]:
    """Evaluate the averaged weights; the model keeps its own."""
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(averaged)
    model.eval()
    scores = evaluate(model)
    model.train()
    model.load_state_dict(kept)
    return scores


def write_state(folder: Path, state: dict) -> None:
    """Write state.pt whole, so that a kill leaves the one before."""
    torch.save(state, folder / "state.tmp")
    (folder / "state.tmp").replace(folder / "state.pt")

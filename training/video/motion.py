"""The motion adapter: `python -m training.video.motion --minutes 40`, after the picture denoiser.

AnimateDiff's recipe (arXiv:2307.04725, 4.2): the spatial layers stay as the picture model has them.
"""

import argparse
import json

import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from torch import Tensor, nn

from training.denoising import caption_rows, v_loss
from training.loop import Run, train
from training.video.films import films
from training.video.unet import captions_of, encoded, scheduler
from training.video.vae import FOLDER
from training.world.pictures import CACHE


def new_adapter() -> MotionAdapter:
    """Motion modules behind every spatial layer, with one position per frame of a clip."""
    return MotionAdapter(
        block_out_channels=(32, 64, 160),
        motion_layers_per_block=1,
        motion_num_attention_heads=4,
        motion_mid_block_layers_per_block=1,
        motion_norm_num_groups=16,
        motion_max_seq_length=16,
    )


def prepared(split: str, count: int) -> dict[str, Tensor]:
    """Latents of whole clips [scenes, 4, 16, 16, 16], hidden states of captions and their rows."""
    path = CACHE / "world" / split / "clips.pt"
    if not path.exists() or len(torch.load(path, weights_only=True)["rows"]) != count:
        latents = []
        for first in range(0, count, 448):
            part = films(split)[first : min(first + 448, count)]
            latents.append(encoded(part).transpose(1, 2).contiguous())
            print(f"{split}: encoded {first + len(part)} of {count} clips", flush=True)
        text, rows = captions_of(split, count)
        torch.save({"latents": torch.cat(latents), "text": text, "rows": rows}, path)
    return torch.load(path, weights_only=True)


class MotionPart(nn.Module):
    """A video denoiser whose weights to train and to save are its motion modules alone."""

    def __init__(self, denoiser: UNetMotionModel):
        super().__init__()
        denoiser.requires_grad_(False)
        moving = {n: m for n, m in denoiser.named_modules() if n.endswith("motion_modules")}
        self.modules_of = nn.ModuleDict({n.replace(".", "/"): m for n, m in moving.items()})
        self.modules_of.requires_grad_(True)
        self.denoiser = [denoiser]  # in a list, so that its weights are not this module's

    def forward(self, z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Predicted v of noisy latents [batch, channels, frames, rows, columns]."""
        words = y.repeat_interleave(z.shape[2], dim=0)
        return self.denoiser[0](z, t, encoder_hidden_states=words).sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--clips", type=int, default=1792)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--beginning", help="folder of an adapter to go on from; none: new")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clips, val = prepared("train", options.clips), prepared("val", 56)
    val_latents, val_y = val["latents"].float(), val["text"][val["rows"][:, 0]].float()
    empty = len(clips["text"]) - 1
    picture = UNet2DConditionModel.from_pretrained(FOLDER / "unet")
    adapter = new_adapter()
    if options.beginning is not None:
        adapter = MotionAdapter.from_pretrained(options.beginning)
    part = MotionPart(UNetMotionModel.from_unet2d(picture, adapter))
    alpha_bar = scheduler().alphas_cumprod

    def v_loss_of(model: MotionPart, x0: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        return v_loss(lambda z, t: model(z, t, y), alpha_bar, x0, generator)

    def loss_of(step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(step)
        picks = torch.randint(0, len(clips["rows"]), (options.batch,), generator=generator)
        y = clips["text"][caption_rows(clips["rows"], empty, picks, generator)].float()
        return {"v": v_loss_of(part, clips["latents"][picks].float(), y, generator)}

    def evaluate(model: MotionPart) -> dict[str, float]:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            losses = [
                v_loss_of(model, x0, y, generator)
                for x0, y in zip(val_latents.split(8), val_y.split(8), strict=True)
            ]
        return {"val_v": float(torch.stack(losses).mean())}

    run = Run(name="motion", minutes=options.minutes, lr=options.lr, average=0.998)
    part = train(run, part, loss_of, evaluate)
    part.denoiser[0].save_motion_modules(FOLDER / "motion_adapter")
    print(json.dumps(evaluate(part)))


if __name__ == "__main__":
    main()

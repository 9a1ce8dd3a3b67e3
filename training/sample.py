"""The samples of README and docs, a silent clip and a sound: `python -m training.sample`."""

from pathlib import Path

import numpy as np
import torch

from seehear.media import write_audio, write_video
from training.world.pictures import film
from training.world.scenes import SAMPLE_RATE, heard
from training.world.things import BY_ID, IDS

FPS, DURATION_S, SIZE = 25, 4.0, 256


def main() -> None:
    out = Path("examples/rooster.mp4")
    frames = film(
        np.random.default_rng(11),
        BY_ID["rooster"],
        ("noto", "rooster"),
        (0.4, 2.2),
        scale=0.62,
        speed=0.4,
        duration_s=DURATION_S,
        num_frames=int(FPS * DURATION_S),
        size=SIZE,
    )
    out.parent.mkdir(exist_ok=True)
    write_video(out, torch.from_numpy(frames), FPS)
    sound = Path("examples/dog.wav")
    waveform = torch.from_numpy(heard(IDS.index("dog"), "test").waveform)
    write_audio(sound, waveform[None], SAMPLE_RATE)
    for path in (out, sound):
        print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()

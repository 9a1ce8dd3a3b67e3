"""Retrieval between images, audio and text with the pocket binder, on held-out data.

`python -m benchmarks.pocket_binder --rounds 10 [--media FOLDER]` (needs the world: see
training/README.md). A round is 56 held-out scenes, one of each thing, in unseen drawing styles and
unseen sound parameters. FOLDER may hold photographs with sounds (dog.jpg and dog.wav) and clips
(dog_bark.mp4): the first word of a name must be one of the world's things.
"""

import argparse
from itertools import permutations
from pathlib import Path

import soundfile
import torch
from torch import Tensor
from training.binder.sounds import recordings
from training.world.captions import label, with_article
from training.world.pictures import CACHE
from training.world.scenes import make_scene
from training.world.things import IDS, THINGS

from benchmarks.results import table, write
from seehear import media
from seehear.models.binders import pocket

KINDS = ("image", "audio", "text")


def hits(queries: Tensor, gallery: Tensor, wanted: Tensor) -> dict[str, float]:
    """Share of queries whose wanted row of the gallery is first, and among the first five."""
    scores = queries @ gallery.T
    rank = (scores > scores.gather(1, wanted[:, None])).sum(1)
    return {f"R@{k}": (rank < k).float().mean().item() for k in (1, 5)}


def names_embedded(binder: pocket.PocketBinder) -> Tensor:
    """The 56 classes of the pocket world as text: between "a dog" and "a dog barking"."""
    plain = binder.embed_text([with_article(thing.names[0]) for thing in THINGS])
    doing = binder.embed_text([label(thing) for thing in THINGS])
    return torch.nn.functional.normalize(plain + doing, dim=1)


def on_the_world(binder: pocket.PocketBinder, rounds: int) -> dict[str, dict[str, float]]:
    """Hits of every kind against every other among the 56 scenes of a round, averaged."""
    sums: dict[str, dict[str, float]] = {}
    names, order = names_embedded(binder), torch.arange(len(IDS))
    for start in range(0, rounds * len(IDS), len(IDS)):
        scenes = [make_scene(seed, "test") for seed in range(start, start + len(IDS))]
        frames = [torch.from_numpy(scene.frames).float() / 255 for scene in scenes]
        waves = torch.stack([torch.from_numpy(scene.waveform) for scene in scenes])
        e = {
            "image": torch.cat([binder.embed_video(frame[None]) for frame in frames]),
            "audio": torch.cat([binder.embed_audio(wave[None], 16_000) for wave in waves]),
            "text": binder.embed_text([scene.caption for scene in scenes]),
        }
        results = {f"{a} -> {b}": hits(e[a], e[b], order) for a, b in permutations(KINDS, 2)}
        results |= {f"{a} -> name": hits(e[a], names, order) for a in KINDS[:2]}
        for key, result in results.items():
            into = sums.setdefault(key, dict.fromkeys(result, 0.0))
            for k, value in result.items():
                into[k] += value / rounds
    return sums


def on_recordings(binder: pocket.PocketBinder) -> dict[str, float]:
    """Held-out real recordings of the world's things against its 56 names."""
    embeddings, wanted = [], []
    for entry in recordings("test"):
        samples, rate = soundfile.read(CACHE / "recordings" / entry["file"], dtype="float32")
        if entry["thing"] and len(samples) >= 0.1 * rate:
            embeddings.append(binder.embed_audio(torch.from_numpy(samples)[None], rate))
            wanted.append(IDS.index(entry["thing"]))
    scores = hits(torch.cat(embeddings), names_embedded(binder), torch.tensor(wanted))
    return {"recordings": len(wanted), **scores}


def _rank(e: Tensor, names: Tensor, thing: str) -> int:
    scores = (e @ names.T)[0]
    return int((scores > scores[IDS.index(thing)]).sum()) + 1


def on_media(binder: pocket.PocketBinder, folder: Path) -> dict[str, dict[str, object]]:
    """Photographs with sounds against each other, and the rank of the right name for each file."""
    names = names_embedded(binder)
    results: dict[str, dict[str, object]] = {}
    photos = sorted(folder.glob("*.jpg"))
    e_v, e_a = [], []
    for path in photos:
        e_v.append(binder.embed_video(media.read_image(path).pixels[None, None] / 255))
        sound = media.read_audio(path.with_suffix(".wav"))
        e_a.append(binder.embed_audio(sound.waveform.mean(0, keepdim=True), sound.sample_rate))
    scores = torch.cat(e_v) @ torch.cat(e_a).T
    for i, path in enumerate(photos):
        results[path.stem] = {
            "rank of its audio": int((scores[i] > scores[i, i]).sum()) + 1,
            "rank of its image": int((scores[:, i] > scores[i, i]).sum()) + 1,
            "rank of the name by image": _rank(e_v[i], names, path.stem),
            "rank of the name by audio": _rank(e_a[i], names, path.stem),
        }
    for path in sorted(folder.glob("*.mp4")):
        thing = max((t for t in IDS if path.stem.startswith(t)), key=len)
        video, sound = media.read_video(path), media.read_audio(path)
        e_picture = binder.embed_video(video.frames[None] / 255)
        e_sound = binder.embed_audio(sound.waveform.mean(0, keepdim=True), sound.sample_rate)
        results[path.stem] = {
            "rank of its audio": "-",
            "rank of its image": "-",
            "rank of the name by image": _rank(e_picture, names, thing),
            "rank of the name by audio": _rank(e_sound, names, thing),
        }
    return results


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--media", type=Path, help="a folder of photographs, sounds and clips")
    options = parser.parse_args()
    binder = pocket.load()
    world = on_the_world(binder, options.rounds)
    real = on_recordings(binder)
    text = (
        f"Held-out scenes: {options.rounds} rounds of 56, one of each class. Each query searches "
        "its match among the 56 of its round (chance: 0.018 and 0.089). Captions vary in "
        "wording.\n\n"
    )
    rows = [(key, f"{r['R@1']:.3f}", f"{r['R@5']:.3f}") for key, r in world.items()]
    text += table(("query -> result", "R@1", "R@5"), rows)
    text += (
        f"\n{real['recordings']} held-out real recordings against the 56 names: "
        f"R@1 {real['R@1']:.3f}, R@5 {real['R@5']:.3f}.\n"
    )
    raw = {"rounds": options.rounds, "world": world, "recordings": real}
    if options.media:
        raw["media"] = results = on_media(binder, options.media)
        text += (
            "\nPhotographs with audio, and clips, none in the training data (rank 1 is best):\n\n"
        )
        columns = list(next(iter(results.values())))
        text += table(("file", *columns), [(k, *r.values()) for k, r in results.items()])
    write("pocket_binder", "The pocket binder", raw, text)


if __name__ == "__main__":
    main()

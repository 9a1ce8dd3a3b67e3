"""Default captions of images and audio from outside the training data.

`python -m benchmarks.naming FOLDER`, where FOLDER is `usr/share/tuxpaint/stamps` of the package
`tuxpaint-stamps-default` of Debian (`apt-get download`, then `dpkg -x`). The labels are in
`naming.csv`: every noun that counts as correct, or none where the binder has no concept for the
image. The thresholds of the pocket binder were chosen on these files, so its confidence is not held
out.
"""

import argparse
import csv
from pathlib import Path

import torch

from benchmarks.results import around, table, write
from seehear import media
from seehear.metrics.intervals import wilson_interval
from seehear.models.binders import pocket
from seehear.models.captioners.concepts import CONCEPTS
from seehear.models.captioners.phrase_bank import Naming, PhraseBank

LABELS = Path(__file__).with_name("naming.csv")
NOUN_OF = {phrase: concept.noun for concept in CONCEPTS for phrase in concept.phrases}


def named(bank: PhraseBank, path: Path) -> Naming:
    """The names of an image or an audio file."""
    if path.suffix == ".png":
        return bank.name_video(media.read_image(path).pixels[None] / 255)
    audio = media.read_audio(path)
    return bank.name_audio(audio.waveform.mean(0), audio.sample_rate)


def share(hits: list[bool]) -> str:
    """A share with its 95 % interval."""
    if not hits:
        return "-"
    return around(sum(hits) / len(hits), wilson_interval(sum(hits), len(hits)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bank = PhraseBank(pocket.load())
    raw = []
    for row in csv.DictReader(LABELS.open(encoding="utf-8")):
        found = named(bank, options.folder / row["file"])
        nouns = [NOUN_OF[match.phrase] for match in found.matches]
        raw.append({**row, "found": nouns, "score": found.matches[0].score, "sure": found.is_sure})
    rows = []
    for kind, suffix in (("images", ".png"), ("audio", ".ogg")):
        of_kind = [entry for entry in raw if entry["file"].endswith(suffix)]
        known = [entry for entry in of_kind if entry["nouns"]]
        first = [entry["found"][0] in entry["nouns"].split("|") for entry in known]
        five = [bool(set(entry["found"]) & set(entry["nouns"].split("|"))) for entry in known]
        sure = [entry["sure"] for entry in known]
        right = [hit for hit, is_sure in zip(first, sure, strict=True) if is_sure]
        unknown = [entry["sure"] for entry in of_kind if not entry["nouns"]]
        rows.append(
            (kind, len(known), share(first), share(five), share(sure), share(right), share(unknown))
        )
    header = (
        "input", "files", "correct", "correct in the first 5", "sure", "correct if sure",
        "sure without a concept",
    )  # fmt: skip
    text = (
        f"Files of Debian's `tuxpaint-stamps-default`, {len(CONCEPTS)} concepts. A result is "
        '"sure" if its confidence is above the threshold. The last column is the share of images '
        "without a concept, such as fruit, that are sure of a wrong one.\n\n" + table(header, rows)
    )
    write("naming", "Default captions", {"files": raw}, text)


if __name__ == "__main__":
    main()

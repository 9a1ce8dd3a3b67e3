"""Landscape, in the layout of the copy that joint models use: `<split>/<class>/<id>#<s>#<e>.mp4`.

The files are cut already: start and end of their names are those in the YouTube video. Joint models
of 1.6 s are compared with parts of them, of the training split
(`seehear.evaluation.datasets.random_segments`).

Source: Lee et al. 2022 (ECCV), as shared with MM-Diffusion, arXiv:2212.09478.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seehear.errors import MediaError
from seehear.evaluation.datasets.clip import Clip
from seehear.evaluation.datasets.folder import clips as clips_of_folder


def clips(folder: Path, split: str = "train") -> Iterator[Clip]:
    """The clips of a split, class by class; the class is the label.

    Args:
        folder: Holds `train/` and `test/`.
        split: The name of one of them.

    Raises:
        MediaError: There is no such folder, or no class in it.
    """
    place = folder / split
    if not place.is_dir():
        raise MediaError(f"{place}: expected the folder {split} of Landscape, there is none")
    classes = sorted(path for path in place.iterdir() if path.is_dir())
    if not classes:
        raise MediaError(f"{place}: expected one folder per class, such as raining/; found none")
    for path in classes:
        for clip in clips_of_folder(path):
            yield replace(clip, label=path.name.replace("_", " "))

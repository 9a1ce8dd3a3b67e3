"""Landscape in the layout that joint models use: `<split>/<class>/<id>#<start>#<end>.mp4`.

The files are already cut; start and end in the names refer to the YouTube video. Joint models with
1.6 s clips are compared with random segments of the training split
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
        folder: Contains `train/` and `test/`.
        split: Name of a subfolder.

    Raises:
        MediaError: The folder is missing or has no class.
    """
    split_folder = folder / split
    if not split_folder.is_dir():
        raise MediaError(
            f"{split_folder}: expected the folder {split} of Landscape, got no such folder"
        )
    classes = sorted(path for path in split_folder.iterdir() if path.is_dir())
    if not classes:
        raise MediaError(
            f"{split_folder}: expected one folder per class, such as raining/, got none"
        )
    for path in classes:
        for clip in clips_of_folder(path):
            yield replace(clip, label=path.name.replace("_", " "))

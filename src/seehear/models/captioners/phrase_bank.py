"""Default captions: concepts of a fixed list, ranked by a binder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.protocols import (
    Binder,
    ClassifiesVideo,
    HasNamingCalibration,
    NamingCalibration,
)
from seehear.models.captioners.concepts import CONCEPTS, GROUPS, PHRASES

NUM_IMAGENET_CLASSES = 1000
# Chosen on 169 photographs and 246 drawings with labels: a class that ImageNet does not have keeps
# a chance, and the binder's embedding decides between classes that are about as probable.
CLASS_FLOOR = 0.03
EMBEDDING_WEIGHT = 5.0


class Match(NamedTuple):
    """A phrase and its score: a probability, or a cosine if the binder is not calibrated."""

    phrase: str
    score: float


@dataclass(frozen=True)
class Naming:
    """The concepts that a binder recognises in an input."""

    matches: tuple[Match, ...]  # best first, one per concept
    caption: str  # of the best concept; if that is uncertain, of its group, or ""
    is_sure: bool | None  # None: the binder is not calibrated


class PhraseBank:
    """Phrases with precomputed embeddings, and the concepts that they belong to."""

    def __init__(self, binder: Binder):
        self.binder = binder
        self.phrases = PHRASES
        self._video_naming: NamingCalibration | None = None
        self._audio_naming: NamingCalibration | None = None
        if isinstance(binder, HasNamingCalibration):
            self._video_naming, self._audio_naming = binder.video_naming, binder.audio_naming
        with torch.no_grad():
            self.embeddings = binder.embed_text(self.phrases)

    def nearest(
        self, embedding: Float[Tensor, "batch dim"], count: int = 1
    ) -> list[tuple[Match, ...]]:
        """The `count` best phrases for each unit vector, by cosine, best first.

        Args:
            embedding: Unit vectors of the bank's binder.
            count: Number of phrases, limited to the size of the bank.
        """
        scores = embedding.detach().to(self.embeddings) @ self.embeddings.T
        top = scores.topk(min(count, len(self.phrases)), dim=1)
        return [
            tuple(Match(self.phrases[i], value) for i, value in zip(row, values, strict=True))
            for row, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]

    @torch.no_grad()
    def name_video(self, frames: Float[Tensor, "frames 3 height width"], count: int = 5) -> Naming:
        """Name RGB frames in [0, 1]; an image is one frame.

        With an ImageNet classifier in the binder, the score of a concept is

            log(P + CLASS_FLOOR) + EMBEDDING_WEIGHT * noun . embedding

        where P is the summed probability of its classes. Otherwise it is a cosine.
        """
        if not isinstance(self.binder, ClassifiesVideo):
            embedding = self.binder.embed_video(frames[None])[0]
            return self._named(embedding, self._video_naming, count)
        probabilities, embedding = self.binder.classify_video(frames[None])
        concepts = (probabilities.float() @ self._class_matrix.to(probabilities.device))[0]
        scores = (concepts + CLASS_FLOOR).log() + EMBEDDING_WEIGHT * (self._nouns @ embedding[0])
        firsts = [concept.phrases[0] for concept in CONCEPTS]
        return naming_of(scores, firsts, self._video_naming, count)

    @torch.no_grad()
    def name_audio(
        self, waveform: Float[Tensor, " samples"], sample_rate: int, count: int = 5
    ) -> Naming:
        """Name a mono waveform. The score of a concept is the cosine of its nearest phrase."""
        embedding = self.binder.embed_audio(waveform[None], sample_rate)[0]
        return self._named(embedding, self._audio_naming, count)

    def _named(
        self, embedding: Float[Tensor, " dim"], calibration: NamingCalibration | None, count: int
    ) -> Naming:
        cosines = (self.embeddings @ embedding.to(self.embeddings)).split(
            [len(concept.phrases) for concept in CONCEPTS]
        )
        best = [int(part.argmax()) for part in cosines]
        phrases = [concept.phrases[k] for concept, k in zip(CONCEPTS, best, strict=True)]
        return naming_of(torch.stack([part.max() for part in cosines]), phrases, calibration, count)

    @cached_property
    def _nouns(self) -> Float[Tensor, "concepts dim"]:
        return self.binder.embed_text([concept.noun for concept in CONCEPTS])

    @cached_property
    def _class_matrix(self) -> Float[Tensor, "1000 concepts"]:
        matrix = torch.zeros(NUM_IMAGENET_CLASSES, len(CONCEPTS))
        for k, concept in enumerate(CONCEPTS):
            matrix[list(concept.classes), k] = 1.0
        return matrix


def naming_of(
    scores: Float[Tensor, " concepts"],
    phrases: Sequence[str],
    calibration: NamingCalibration | None,
    count: int,
) -> Naming:
    """The best concepts, and a caption that is as specific as the scores allow."""
    if calibration is not None:
        scores = (calibration.sharpness * scores).softmax(0)
    top = scores.topk(count)
    matches = tuple(
        Match(phrases[i], value)
        for i, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    )
    if calibration is None:
        return Naming(matches, matches[0].phrase, is_sure=None)
    if matches[0].score >= calibration.sure:
        return Naming(matches, matches[0].phrase, is_sure=True)
    sizes = [len(group) for group in GROUPS.values()]
    groups = torch.stack([part.sum() for part in scores.split(sizes)])
    caption = list(GROUPS)[int(groups.argmax())] if groups.max() >= calibration.group else ""
    return Naming(matches, caption, is_sure=False)

"""How well the audio and the video of an output match, to rank takes of the same input."""

import torch
from torch import Tensor

from seehear.guidance.conditions import AudioCondition, Condition, VideoCondition
from seehear.guidance.losses import cosine_distance
from seehear.guidance.protocols import Binder
from seehear.pipeline.job import Job


@torch.no_grad()
def agreement(binder: Binder, job: Job, media: dict[str, Tensor]) -> float:
    """Cosine similarity of the embeddings of audio and video, -1 to 1.

    The binder that guided the run computes it, so it ranks takes of one input. It is not a measure
    of quality, because guidance raises it.

    Args:
        binder: The network that embeds audio and video.
        job: The job. Its condition is the stream that was not generated, if there is one.
        media: The generated audio [samples], the generated frames [n, 3, height, width], or both.
    """
    conditions: list[Condition] = [job.condition]
    if "audio" in media:
        rate = int(job.backbones["audio"].sample_rate)
        conditions.append(AudioCondition(media["audio"], rate))
    if "video" in media:
        fps = float(job.backbones["video"].sample_rate)
        times_s = tuple(k / fps for k in range(len(media["video"])))
        conditions.append(VideoCondition(media["video"], times_s))
    embeddings: dict[str, Tensor] = {}
    for condition in conditions:
        embeddings |= condition.targets(binder, job.windows_s, None).whole
    return 1 - float(cosine_distance(embeddings["audio"], embeddings["video"]))

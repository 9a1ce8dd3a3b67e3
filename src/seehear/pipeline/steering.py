"""Keyword arguments of all tasks that say what an output should and should not contain."""

from typing import TypedDict


class Steering(TypedDict, total=False):
    """Further keyword arguments of `Studio.video_to_audio` and the methods of the other tasks."""

    negative: str
    """A negative prompt: what the output should not contain, such as "music, speech".

    It replaces the empty prompt in classifier-free guidance. So the model must read prompts, and
    the preset's guidance scale must be above 1.
    """

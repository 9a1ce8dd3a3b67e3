"""The table of tasks agrees with what reads and writes files."""

from pathlib import Path
from typing import get_args

import pytest

from seehear.media.encode import AUDIO_CONTAINERS, CONTAINERS
from seehear.media.suffixes import AUDIO_OUTPUTS, IMAGE_OUTPUTS, VIDEO_OUTPUTS
from seehear.media.write import AUDIO_FORMATS, IMAGE_FORMATS
from seehear.pipeline.presets import presets_of
from seehear.pipeline.task import TASKS, ScoredTask, TaskName


def test_the_table_and_the_types_name_the_same_tasks():
    assert get_args(TaskName) == tuple(TASKS)
    assert set(get_args(ScoredTask)) < set(TASKS)


def test_every_suffix_of_the_table_can_be_written():
    assert tuple(sorted(CONTAINERS)) == VIDEO_OUTPUTS
    assert (*AUDIO_FORMATS, *AUDIO_CONTAINERS) == AUDIO_OUTPUTS
    assert tuple(IMAGE_FORMATS) == IMAGE_OUTPUTS


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_an_output_without_a_name_gets_a_suffix_that_the_task_writes(task):
    for name in ("clip.mp4", "clip.MOV", "clip.avi", "clip.wav"):
        assert task.suffix_for(Path(name)).lower() in task.writes


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_has_a_default_preset_with_its_pairs(task):
    names = [a for pair in task.pairs for a in pair]
    assert set(names) <= {"audio", "video", "text", "reference"}
    assert {"default", "wordless", "equations"} <= presets_of(task.name).keys()

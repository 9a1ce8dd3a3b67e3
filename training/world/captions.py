"""What can be said of a scene: captions with synonyms, and with size, speed and distance."""

import numpy as np

from training.world.things import Thing

# Names that take no article: masses and plurals.
_BARE = (
    "rain", "wind", "ocean waves", "sea", "surf", "fire", "flames", "water drops",
    "dripping water", "thunder", "lightning", "applause", "clapping hands", "laughter", "snoring",
    "footsteps", "footprints", "fireworks", "scissors", "glasses", "wine glasses",
    "crystal glasses", "cattle", "breeze",
)  # fmt: skip

# What the things of a group may be called together, the plainest first.
GROUP_NAMES: dict[str, tuple[str, ...]] = {
    "animals": ("an animal", "some animal", "a creature"),
    "vehicles": ("a vehicle", "some vehicle", "something that drives or flies"),
    "weather and water": ("the weather", "weather and water", "a force of nature"),
    "household": ("a household object", "a thing at home", "something in the house"),
    "instruments": ("an instrument", "a musical instrument", "music being played"),
    "alarms and people": ("people or an alarm", "somebody or an alarm", "a person or a signal"),
}


def with_article(name: str) -> str:
    """'a dog', 'an owl', 'rain'."""
    if name in _BARE:
        return name
    return ("an " if name[0] in "aeiou" else "a ") + name


def label(thing: Thing) -> str:
    """The plain canonical caption, for instance 'a dog barking'."""
    return f"{with_article(thing.names[0])} {thing.sounds[0]}"


def caption(
    rng: np.random.Generator, thing: Thing, *, size: float, speed: float, distance: float
) -> str:
    """A sentence for a scene; attributes near their ends are sometimes mentioned.

    Args:
        rng: Chooses wording.
        thing: What is seen and heard.
        size: 0 small .. 1 large.
        speed: 0 slow .. 1 fast.
        distance: 0 near .. 1 far.
    """
    name = thing.names[0] if rng.random() < 0.6 else str(rng.choice(thing.names))
    sound = str(rng.choice(thing.sounds))
    adjective = ""
    if rng.random() < 0.5 and name not in _BARE:
        if size > 0.75:
            adjective = str(rng.choice(["big ", "large "]))
        elif size < 0.25:
            adjective = str(rng.choice(["small ", "little "]))
    text = f"{with_article(adjective + name)} {sound}"
    if rng.random() < 0.4:
        if distance > 0.7:
            text += str(rng.choice([" in the distance", " far away"]))
        elif distance < 0.15:
            text += str(rng.choice([" close by", " nearby"]))
        elif speed > 0.85:
            text += str(rng.choice([" quickly", " fast"]))
        elif speed < 0.15:
            text += " slowly"
    draw = rng.random()
    if draw < 0.1:
        text = f"the sound of {text}"
    elif draw < 0.2:
        text = with_article(name)
    elif draw < 0.25:
        text = f"{thing.sounds[0].split()[-1]} {name}" if "that" not in sound else text
    return text

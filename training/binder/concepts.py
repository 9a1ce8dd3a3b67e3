"""What training examples are called: each concept is a set of texts that mean the same."""

import json
import re
from dataclasses import dataclass

from training.world.captions import label, with_article
from training.world.pictures import CACHE
from training.world.things import THINGS, TRAIN_STYLES

# Two further sets of drawings: Mozilla's (Apache-2.0) and Streamline's (CC BY 4.0).
EXTRA_STYLES = ("fxemoji", "streamline-emojis")
STYLES = TRAIN_STYLES + EXTRA_STYLES
# Icons, used where they bear the name of something known. Those of one colour get a random one.
ONE_COLOUR_ICONS = ("mdi", "game-icons", "ph")  # Apache-2.0, CC BY 3.0, MIT
ICON_STYLES = (
    *ONE_COLOUR_ICONS,
    "icon-park",  # Apache-2.0
    *("streamline-ultimate-color", "streamline-plump-color", "streamline-freehand-color"),  # CC BY
)
_NOT_A_THING = re.compile(
    r"skin-tone|^flag|keycap|button|-(thirty|oclock)$|letter|symbol|arrow|sign$|squared|heart"
    r"|^(input|regional|negative|circled|number|digit|clock\d|clock-face)|square$|circle$|^\d"
    r"|-(medium|light|dark|tone)(-|$)|cjk|older-|emoji$|diamond|selector|^[a-z]$|japanese|zodiac|person-|man-|^men-|women-|people-|family|couple"
)


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One thing with the texts that may name it, the plainest first."""

    id: str
    seen: tuple[str, ...]  # what a picture of it may be called
    heard: tuple[str, ...] = ()  # what a recording of it may be called


def world_concepts() -> list[Concept]:
    """The 56 things of the world, with synonyms and what they do."""
    concepts = []
    for thing in THINGS:
        names = [with_article(name) for name in thing.names]
        deeds = [f"{name} {sound}" for name in names for sound in thing.sounds]
        concepts.append(
            Concept(
                id=thing.id,
                seen=(label(thing), *names, *deeds),
                heard=(
                    label(thing),
                    *deeds,
                    *(f"the sound of {deed}" for deed in deeds[:3]),
                    *names,
                ),
            )
        )
    return concepts


def _words(icon: str) -> str:
    return re.sub(r"-?\d+$", "", icon).replace("-", " ").strip()


def emoji_concepts() -> dict[str, list[tuple[str, str]]]:
    """Drawings (style, icon) by name, of everything nameable that is not in the world."""
    taken = {emoji for thing in THINGS for emoji in thing.emoji}
    named: dict[str, list[tuple[str, str]]] = {}
    for style in STYLES:
        icons = json.loads((CACHE / "emoji" / style / "icons.json").read_text())["icons"]
        for icon in icons:
            if _NOT_A_THING.search(icon) or re.sub(r"-?\d+$", "", icon) in taken:
                continue
            named.setdefault(_words(icon), []).append((style, icon))
    # A name that a single set uses may be its own spelling ("fishcakeswirldesign").
    return {
        name: drawings
        for name, drawings in named.items()
        if any(style in TRAIN_STYLES for style, _ in drawings) or " " in name
    }


def icon_drawings() -> dict[str, list[tuple[str, str]]]:
    """Icons by concept: a world thing's id or "emoji:NAME", where the icon's whole name agrees."""
    known = {name: f"emoji:{name}" for name in emoji_concepts()}
    known |= {
        name.replace("-", " "): thing.id
        for thing in THINGS
        for name in (*thing.emoji, *thing.names)
    }
    known.pop("cricket")  # icons show the game
    suffix = re.compile(r"(-(\d+|fill|duotone|bold|flat|outline|variant|side|one|two))+$")
    found: dict[str, list[tuple[str, str]]] = {}
    for style in ICON_STYLES:
        icons = json.loads((CACHE / "emoji" / style / "icons.json").read_text())["icons"]
        for icon in icons:
            name = suffix.sub("", icon)
            if (concept := known.get(name.replace("-", " "))) is not None:
                found.setdefault(concept, []).append((style, icon))
    return found


def extra_world_icons(emoji: tuple[str, ...]) -> list[tuple[str, str]]:
    """A world thing's drawings in the two further sets, where the names agree."""
    found = []
    for style in EXTRA_STYLES:
        icons = json.loads((CACHE / "emoji" / style / "icons.json").read_text())["icons"]
        spelled = {re.sub(r"-?\d+$", "", icon).replace("-", ""): icon for icon in icons}
        for icon in emoji:
            if (other := spelled.get(icon.replace("-", ""))) is not None:
                found.append((style, other))
    return found

"""The sounding things of the world: their names, art, motion and what a caption says of them."""

from dataclasses import dataclass

TRAIN_STYLES = ("twemoji", "noto", "fluent-emoji-flat", "emojione")
TEST_STYLES = ("fluent-emoji", "noto-v1")  # never seen by the binder or the sound model


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One thing that can be seen and heard."""

    id: str
    group: str
    emoji: tuple[str, ...]  # icon names in the emoji sets; any may lack from some sets
    names: tuple[str, ...]  # nouns for captions, the first is the canonical one
    sounds: tuple[str, ...]  # "<name> <sound>": what it does, third person or -ing form
    motion: str  # bounce | pulse | shake | drive | sway | still
    is_continuous: bool = False  # one long sound instead of separate events


def _t(group, id, emoji, names, sounds, motion, is_continuous=False):
    return Thing(
        id=id, group=group, emoji=tuple(emoji.split()), names=tuple(names.split("|")),
        sounds=tuple(sounds.split("|")), motion=motion, is_continuous=is_continuous,
    )  # fmt: skip


_a, _v, _w, _h, _i, _p = (
    "animals", "vehicles", "weather and water", "household", "instruments", "alarms and people",
)  # fmt: skip

THINGS: tuple[Thing, ...] = (
    _t(_a, "dog", "dog-face dog", "dog|puppy|hound", "barking|woofing|that barks", "bounce"),
    _t(_a, "cat", "cat-face cat", "cat|kitten", "meowing|mewing|that meows", "pulse"),
    _t(_a, "cow", "cow-face cow", "cow|cattle", "mooing|lowing|that moos", "pulse"),
    _t(_a, "rooster", "rooster", "rooster|cockerel|cock", "crowing|that crows", "bounce"),
    _t(_a, "pig", "pig-face pig", "pig|hog|piglet", "oinking|grunting|that oinks", "shake"),
    _t(_a, "horse", "horse-face horse", "horse|pony", "neighing|whinnying|that neighs", "shake"),
    _t(_a, "sheep", "ewe", "sheep|lamb|ewe", "bleating|that bleats", "pulse"),
    _t(_a, "duck", "duck", "duck|mallard", "quacking|that quacks", "bounce"),
    _t(_a, "frog", "frog", "frog|toad", "croaking|that croaks", "bounce"),
    _t(_a, "lion", "lion", "lion|big cat", "roaring|that roars", "pulse"),
    _t(_a, "owl", "owl", "owl", "hooting|that hoots", "pulse"),
    _t(_a, "bird", "bird", "bird|songbird|small bird", "singing|chirping|tweeting", "bounce"),
    _t(_a, "bee", "honeybee", "bee|honeybee|insect", "buzzing|humming|that buzzes", "drive", True),
    _t(_a, "cricket", "cricket", "cricket|grasshopper", "chirping|stridulating", "shake"),
    _t(_a, "elephant", "elephant", "elephant", "trumpeting|that trumpets", "shake"),
    _t(_a, "wolf", "wolf", "wolf|coyote", "howling|that howls", "pulse"),
    _t(_v, "car", "automobile oncoming-automobile", "car|automobile|taxi",
       "driving by|with its engine running|passing", "drive", True),
    _t(_v, "racing_car", "racing-car", "racing car|race car|formula one car",
       "racing|speeding past|revving", "drive", True),
    _t(_v, "motorcycle", "motorcycle", "motorcycle|motorbike", "riding|revving|idling", "drive",
       True),
    _t(_v, "train", "locomotive", "steam train|train|locomotive", "chugging|puffing|whistling",
       "drive", True),
    _t(_v, "helicopter", "helicopter", "helicopter|chopper", "flying|hovering|chopping", "drive",
       True),
    _t(_v, "airplane", "airplane", "airplane|jet plane|aircraft", "flying over|taking off",
       "drive", True),
    _t(_v, "ship", "ship", "ship|ocean liner|ferry", "blowing its horn|sounding its horn",
       "sway"),
    _t(_v, "fire_engine", "fire-engine", "fire engine|fire truck",
       "with its two-tone horn|with its hi-lo siren", "drive", True),
    _t(_w, "thunder", "cloud-with-lightning", "thunder|lightning|thunderstorm",
       "rumbling|cracking|striking", "shake"),
    _t(_w, "rain", "cloud-with-rain", "rain|rain shower", "falling|pouring|pattering", "sway",
       True),
    _t(_w, "wind", "wind-face", "wind|gale|breeze", "blowing|howling|gusting", "sway", True),
    _t(_w, "ocean", "water-wave", "ocean waves|sea|surf", "breaking on the beach|crashing|rolling",
       "sway", True),
    _t(_w, "fire", "fire", "fire|campfire|flames", "crackling|burning", "pulse", True),
    _t(_w, "drops", "droplet", "water drops|dripping water|water drop",
       "dripping|falling into water", "bounce"),
    _t(_h, "telephone", "telephone", "telephone|phone", "ringing|that rings", "shake"),
    _t(_h, "door", "door", "door|wooden door", "being knocked on|with someone knocking", "shake"),
    _t(_h, "toilet", "toilet", "toilet|lavatory", "flushing|being flushed", "sway", True),
    _t(_h, "hammer", "hammer", "hammer", "hitting a nail|hammering|striking metal", "bounce"),
    _t(_h, "keyboard", "keyboard", "computer keyboard|keyboard", "typing|being typed on|clicking",
       "shake"),
    _t(_h, "camera", "camera", "camera|photo camera", "shutter clicking|taking a photo", "pulse"),
    _t(_h, "scissors", "scissors", "scissors|pair of scissors", "cutting|snipping", "pulse"),
    _t(_h, "clock", "mantelpiece-clock", "clock|mantel clock", "ticking|that ticks", "sway"),
    _t(_h, "glasses", "clinking-glasses", "wine glasses|glasses|crystal glasses",
       "clinking|being clinked", "bounce"),
    _t(_i, "piano", "musical-keyboard", "piano", "playing|being played", "bounce"),
    _t(_i, "guitar", "guitar", "guitar|acoustic guitar", "being strummed|playing|being plucked",
       "shake"),
    _t(_i, "violin", "violin", "violin|fiddle", "playing|being bowed", "sway"),
    _t(_i, "trumpet", "trumpet", "trumpet|brass horn", "playing|sounding", "pulse"),
    _t(_i, "saxophone", "saxophone", "saxophone|sax", "playing|sounding", "sway"),
    _t(_i, "drum", "drum", "drum|snare drum|drum kit", "being played|beating|drumming", "bounce"),
    _t(_i, "accordion", "accordion", "accordion|squeezebox", "playing|being squeezed", "pulse"),
    _t(_i, "flute", "flute", "flute|wooden flute", "playing|being blown", "sway"),
    _t(_p, "alarm_clock", "alarm-clock", "alarm clock|digital alarm", "beeping|going off",
       "shake"),
    _t(_p, "bell", "bell", "bell|church bell", "ringing|tolling|chiming", "sway"),
    _t(_p, "siren", "police-car-light", "siren|police siren", "wailing|sounding", "pulse", True),
    _t(_p, "baby", "baby loudly-crying-face", "baby|crying baby|infant", "crying|wailing",
       "shake"),
    _t(_p, "applause", "clapping-hands", "applause|clapping hands|audience", "clapping",
       "shake", True),
    _t(_p, "laughter", "face-with-tears-of-joy", "laughter|laughing person|person",
       "laughing|giggling", "shake"),
    _t(_p, "snore", "sleeping-face", "snoring|sleeping person|sleeper", "snoring", "pulse"),
    _t(_p, "footsteps", "footprints", "footsteps|footprints", "walking|stepping on the floor",
       "bounce"),
    _t(_p, "fireworks", "fireworks", "fireworks|firework", "exploding|bursting|banging", "pulse"),
)  # fmt: skip

IDS: tuple[str, ...] = tuple(thing.id for thing in THINGS)
BY_ID: dict[str, Thing] = {thing.id: thing for thing in THINGS}
GROUPS: tuple[str, ...] = (_a, _v, _w, _h, _i, _p)

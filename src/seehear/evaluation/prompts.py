"""What clips show, in words: for the networks that compare with a sentence."""

from pathlib import Path

from seehear.errors import SettingsError


def read_prompts(path: Path) -> dict[str, str]:
    """Sentences by clip, from a text of lines `NAME<tab>SENTENCE`.

    Args:
        path: The text, in UTF-8. NAME is that of the real clip's file, without suffix.

    Raises:
        SettingsError: There is no such file, it is empty, or a line is of another form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: expected a text of prompts ({error})") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name, _, prompt = line.partition("\t")
        if not line.strip():
            continue
        if not name.strip() or not prompt.strip() or name.strip() in found:
            raise SettingsError(
                f"{path}, line {number}: expected a new clip's name, a tab and a sentence, "
                f"got {line!r}"
            )
        found[name.strip()] = prompt.strip()
    if not found:
        raise SettingsError(f"{path}: expected lines of a clip's name, a tab and a sentence")
    return found

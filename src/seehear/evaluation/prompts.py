"""Read prompts of clips for networks with a text encoder."""

from pathlib import Path

from seehear.errors import SettingsError


def read_prompts(path: Path) -> dict[str, str]:
    """Read prompts by clip name from lines of the form `NAME<tab>PROMPT`.

    Args:
        path: A UTF-8 text file. NAME is the file name of the real clip without suffix.

    Raises:
        SettingsError: The file is missing or empty, or a line has another form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: expected a UTF-8 text file of prompts ({error})") from error
    prompts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name, _, prompt = line.partition("\t")
        if not line.strip():
            continue
        if not name.strip() or not prompt.strip() or name.strip() in prompts:
            raise SettingsError(
                f"{path}, line {number}: expected a clip name (each once), a tab and a prompt, "
                f"got {line!r}"
            )
        prompts[name.strip()] = prompt.strip()
    if not prompts:
        raise SettingsError(f"{path}: expected lines of a clip name, a tab and a prompt, got none")
    return prompts

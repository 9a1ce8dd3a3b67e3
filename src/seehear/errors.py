"""Errors that a user can act on. Each also inherits from the built-in error that it refines."""


class SeehearError(Exception):
    """Anything that the caller can put right. The command line prints it and exits with code 2."""


class MediaError(SeehearError, ValueError):
    """A media file is not what it should be: broken, empty, of the wrong kind or too long."""


class WeightsError(SeehearError, OSError):
    """A checkpoint is missing, incomplete or not in the expected format."""


class SettingsError(SeehearError, ValueError):
    """Settings that cannot be used, alone or together."""


class Cancelled(SeehearError):  # noqa: N818 - a request that was honoured, not a failure
    """A callback asked the sampler to stop."""

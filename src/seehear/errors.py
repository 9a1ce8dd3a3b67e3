"""Errors that a user can act on. Each also inherits from the built-in error that it refines."""


class SeehearError(Exception):
    """An error that the caller can fix. The command line prints it and exits with code 2."""


class MediaError(SeehearError, ValueError):
    """A media file is missing, damaged, empty, too long, or of the wrong kind."""


class WeightsError(SeehearError, OSError):
    """A checkpoint is missing, incomplete or not in the expected format."""


class SettingsError(SeehearError, ValueError):
    """Settings that are invalid, alone or in combination."""


class Cancelled(SeehearError):  # noqa: N818 - the run was stopped on request and did not fail
    """A callback asked the sampler to stop."""


def is_library_failure(error: BaseException) -> bool:
    """Whether an error reports a failure, not a request to stop such as KeyboardInterrupt.

    Libraries in Rust (tokenizers, safetensors) report a failed assumption about a file by a
    PanicException, which is no Exception.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"

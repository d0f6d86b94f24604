"""The errors a user can cause; each message is one sentence that names the file or argument.

The command line prints the message alone and turns the class into an exit code.
"""

from __future__ import annotations

from collections.abc import Sequence


class CCNetError(Exception):
    """Base of every error below: something outside the program is wrong, not the program."""

    exit_code = 1


class PictureError(CCNetError):
    """A picture cannot be read, decoded, encoded or written."""


class WeightsError(CCNetError):
    """A file of weights is not what it should be, or no model has the name asked for."""


class ExportError(CCNetError):
    """A network cannot be written for another engine, or comes out of it as something else."""


class MissingExtraError(CCNetError, ImportError):
    """Packages are needed that are not installed, because they come with an extra."""


class UsageError(CCNetError):
    """An argument has a value that makes no sense here."""

    exit_code = 2


class DatasetError(UsageError):
    """A dataset is not where or what it was said to be, or lacks a split or partners.

    `problems` are what is wrong with single files, a sentence each, where that was looked for.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


def reason_of(error: Exception) -> str:
    """Say what the system says is wrong, or else the error, as the end of a sentence."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(reason).lower()

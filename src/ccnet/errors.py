"""The errors a user can cause; each message is one sentence that names the file or argument.

The command line prints the message alone and turns the class into an exit code.
"""


class CCNetError(Exception):
    """Base of every error below: something outside the program is wrong, not the program."""


class PictureError(CCNetError):
    """A picture cannot be read, decoded, encoded or written."""


class WeightsError(CCNetError):
    """A file of weights is not what it should be, or no model has the name asked for."""


class UsageError(CCNetError):
    """An argument has a value that makes no sense here."""


class DatasetError(UsageError):
    """A dataset is not where or what it was said to be, or lacks a split or partners."""

"""The two ways in which things go wrong that a user can mend."""


class UserError(Exception):
    """A mistake or missing thing a user can put right.

    The text names the file or key and the remedy; the command line prints it
    without a traceback and exits with status 1.
    """


class BadFrame(Exception):
    """One frame cannot be used; the night goes on without it.

    Parameters
    ----------
    reason_code : str
        Short stable code, e.g. ``"truncated"``, written to ``quarantine.csv``.
    reason : str
        One plain sentence for people.
    """

    def __init__(self, reason_code: str, reason: str):
        super().__init__(reason)
        self.reason_code = reason_code
        self.reason = reason

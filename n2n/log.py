"""What a command says: progress on the terminal, everything in its log file."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from n2n.errors import UserError

logger = logging.getLogger("n2n")


def set_up(verb: str, log_file: Path | None) -> None:
    """Send messages to stderr (prefixed with the verb) and to `log_file`.

    Raises
    ------
    UserError
        Where the file cannot be written.
    """
    logger.setLevel(logging.INFO)
    logger.handlers.clear()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter(f"[{verb}] %(message)s"))
    logger.addHandler(terminal)
    if log_file is not None:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            file = logging.FileHandler(log_file, mode="w", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"cannot write the log {log_file}: {error.strerror}; check its folder's permissions"
            ) from error
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(file)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").handlers = [h for h in logger.handlers if isinstance(h, logging.FileHandler)]
    logging.getLogger("py.warnings").propagate = False


class Progress:
    """Iterate and say how far it is, every few seconds, with the time left.

    Parameters
    ----------
    items : iterable with a length
    what : str
        Named in the message.
    every : float
        Seconds between messages.
    """

    def __init__(self, items: Iterable, what: str, every: float = 5.0):
        self.items, self.what, self.every = list(items), what, every

    def __iter__(self) -> Iterator:
        started = said = time.monotonic()
        total = len(self.items)
        for index, item in enumerate(self.items):
            yield item
            now = time.monotonic()
            if now - said >= self.every and index + 1 < total:
                left = (now - started) / (index + 1) * (total - index - 1)
                logger.info("%s %d/%d, %.0f s left", self.what, index + 1, total, left)
                said = now

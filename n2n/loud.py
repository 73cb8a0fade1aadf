"""Errors are said also by a run that was asked to be quiet: a night that failed must not look like one that ran."""

import logging
import sys


class _Errors(logging.Handler):
    """Writes what snakemake reports as an error to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text and text != "None":
            print(text, file=sys.stderr, flush=True)


def say_errors_of(logger: logging.Logger, quiet) -> None:
    """Let errors through `snakemake --quiet all`, which otherwise ends with status 1 and not a word.

    Parameters
    ----------
    logger : Logger
        Snakemake's own.
    quiet : set or None
        What the run is quiet about; unless that is everything, snakemake says its errors by itself.
    """
    everything = any(getattr(kind, "name", str(kind)).lower() == "all" for kind in quiet or ())
    filters = [one for handler in logger.handlers for one in handler.filters]
    dry = any(getattr(one, "dryrun", False) for one in filters)  # a dry run is never quiet
    if everything and not dry and not any(isinstance(handler, _Errors) for handler in logger.handlers):
        logger.addHandler(_Errors(logging.ERROR))

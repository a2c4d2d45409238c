"""Structured logs: past-tense snake_case events with key/values.

Console on a terminal, JSON lines elsewhere. Never log a salt, a private key or an unrevealed label.
"""

import logging
import sys

import structlog


def configure(level: str = "info") -> None:
    """Set up logging for this process; call once, from ``__main__``.

    Args:
        level: least level shown: debug, info, warning or error.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if sys.stderr.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=shared + renderer,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )

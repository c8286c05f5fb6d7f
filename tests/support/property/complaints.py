"""What the operator says of its own bugs."""

from __future__ import annotations

import logging

import structlog


class Complaints(logging.Handler):
    """Keeps what the operator says of its own bugs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if "please report this" in text or record.exc_info:
            self.said.append(text)

    def open(self) -> None:
        """Listen, and let nothing less grave be worked out."""
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer(),
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        logger = logging.getLogger("influxops")
        self._before = logger.level
        logger.setLevel(logging.ERROR)
        logger.addHandler(self)

    def shut(self) -> None:
        """Leave the logs as they were."""
        logger = logging.getLogger("influxops")
        logger.removeHandler(self)
        logger.setLevel(self._before)
        structlog.reset_defaults()

"""The building blocks of rules on strings: regular expressions and lengths of time, in CEL and in Python."""

from __future__ import annotations

import re

from influxops.api.rules import Rule
from influxops.core.durations import DAY, HOUR, MINUTE, SECOND, WEEK, DurationError, parse_duration

FIXED_LENGTH = "^([0-9]{1,9}w)?([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$"
"""Durations of whole seconds: each unit at most once, largest first. Nine digits keep the sum within 64 bits."""

_UNITS = (("w", WEEK), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))
_fixed = re.compile(FIXED_LENGTH.removesuffix("$") + r"\Z")


def cel_text(text: str) -> str:
    """A CEL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def pattern_rule(pattern: str, message: str, *, negate: bool = False) -> Rule:
    """The text must match the pattern (with ``negate``: must not), anywhere unless it is anchored.

    Patterns keep to what RE2, the API server's engine, and Python read alike; a final ``$`` is the very end for both.
    """
    end = pattern.endswith("$") and not pattern.endswith("\\$")
    compiled = re.compile(pattern.removesuffix("$") + r"\Z" if end else pattern, re.ASCII)
    bang = "!" if negate else ""
    return Rule(
        f"{bang}self.matches({cel_text(pattern)})",
        message,
        lambda text: (compiled.search(text) is None) is negate,
    )


def filled(pattern: str, message: str) -> Rule:
    """The text must match the pattern and must not be empty, for patterns that match the empty text as well."""
    bare = pattern_rule(pattern, message)
    return Rule(f"self != '' && {bare.cel}", message, lambda text: text != "" and bare.check(text))


def is_fixed(text: str) -> bool:
    """True for a duration of :data:`FIXED_LENGTH`."""
    return _fixed.search(text) is not None


def cel_fixed(expression: str) -> str:
    """CEL: the string is a duration of :data:`FIXED_LENGTH`."""
    return f"{expression}.matches({cel_text(FIXED_LENGTH)})"


def cel_seconds(expression: str) -> str:
    """CEL: the seconds of a string that :func:`cel_fixed` accepts; a unit that is absent counts 0."""
    return " + ".join(
        f"int('0' + {expression}.find('[0-9]+{unit}').replace('{unit}', '')) * {seconds}" for unit, seconds in _UNITS
    )


def length_rule(minimum: int, maximum: int, message: str) -> Rule:
    """A duration must lie within [minimum, maximum] seconds. What is no fixed duration is left to another rule."""

    def check(text: str) -> bool:
        try:
            return not is_fixed(text) or minimum <= parse_duration(text).seconds <= maximum
        except DurationError:  # the empty text, which is another rule's business
            return True

    within = f"[{cel_seconds('self')}].all(n, n >= {minimum} && n <= {maximum})"
    return Rule(f"self == '' || !{cel_fixed('self')} || {within}", message, check)

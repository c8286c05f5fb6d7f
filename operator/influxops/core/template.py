"""Script templates: Jinja2, sandboxed and strict, with typed filters instead of pasted text.

A template sees one name, ``values``. A value that is text must go through a filter that says what it is to become in
Flux; a bare ``{{ values.bucket }}`` is refused, so that no value can turn into program text. Numbers and booleans need
no filter. Time and memory are bounded by whoever calls this (``engine.renderer`` runs it in a process of its own).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from influxops.core.flux.quote import quote_string

MAX_OUTPUT = 256 * 1024
"""Longest rendered script, in characters; the limit of ``spec.flux``."""

_DURATION = re.compile(r"-?(?:[1-9][0-9]*(?:ns|us|µs|ms|s|m|h|d|w|mo|y))+")
_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = frozenset(
    (
        "and",
        "or",
        "not",
        "empty",
        "in",
        "import",
        "package",
        "return",
        "option",
        "builtin",
        "test",
        "testcase",
        "if",
        "then",
        "else",
        "exists",
        "with",
    )
)


class TemplateFault(Exception):
    """The template cannot be rendered; the text names the place, the fault and what to write."""


def flux_string(value: Any) -> Markup:
    """Text as a quoted Flux string literal; a list becomes an array of them."""
    _defined(value)
    if isinstance(value, list | tuple):
        return Markup("[" + ", ".join(flux_string(item) for item in value) + "]")
    if not isinstance(value, str):
        raise TemplateFault(f"flux_string takes text or a list of texts, not {_kind(value)}")
    return Markup(quote_string(value))


def flux_duration(value: Any) -> Markup:
    """A duration such as ``1h30m`` as a Flux duration literal."""
    _defined(value)
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise TemplateFault(f"flux_duration takes a duration such as 90s, 1h30m or 7d, not {_kind(value)}")
    return Markup(value)


def flux_time(value: Any) -> Markup:
    """An RFC 3339 time with a zone, such as ``2026-01-31T00:00:00Z``, as a Flux time literal."""
    _defined(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise TemplateFault("flux_time takes an RFC 3339 time such as 2026-01-31T00:00:00Z") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TemplateFault("flux_time takes an RFC 3339 time with a zone, such as 2026-01-31T00:00:00Z")
    return Markup(value.astimezone(UTC).isoformat().replace("+00:00", "Z"))


def flux_ident(value: Any) -> Markup:
    """A name that may stand in a script unquoted, such as a function or a column behind ``r.``."""
    _defined(value)
    if not isinstance(value, str) or not _IDENT.fullmatch(value) or value in _KEYWORDS:
        raise TemplateFault("flux_ident takes a name of letters, digits and _ that is no Flux keyword")
    return Markup(value)


def render_template(source: str, values: Mapping[str, Any]) -> str:
    """Render a template. Raises TemplateFault with line, fault and remedy; never runs code from the template."""
    try:
        text = _ENVIRONMENT.from_string(source).render(values=dict(values))
    except TemplateSyntaxError as error:
        raise TemplateFault(f"line {error.lineno} of the template: {error.message}") from None
    except UndefinedError as error:
        name = next((name for name in values if str(error.message).startswith(f"'{name}' is undefined")), "")
        remedy = f"write values.{name}" if name else "add it to spec.template.values"
        raise TemplateFault(f"{_place(error)}{error.message}: {remedy}") from None
    except SecurityError as error:
        raise TemplateFault(f"{_place(error)}the template may not do that: {error}") from None
    except TemplateFault as error:
        raise TemplateFault(f"{_place(error)}{error}") from None
    except TemplateError as error:
        raise TemplateFault(f"{_place(error)}{error}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise TemplateFault(f"{_place(error)}{type(error).__name__}: {error}") from None
    if len(text) > MAX_OUTPUT:
        raise TemplateFault(f"the rendered script has {len(text)} characters, more than {MAX_OUTPUT}")
    return text


def _finalize(value: Any) -> Any:
    if isinstance(value, Markup | StrictUndefined):
        return value
    if isinstance(value, bool):
        return Markup("true" if value else "false")
    if isinstance(value, int | float):
        return Markup(repr(value))
    raise TemplateFault(f"{_kind(value)} must go through a filter: flux_string, flux_duration, flux_time or flux_ident")


def _defined(value: Any) -> None:
    """A name that the values do not have is told as such, and not as a value of a strange type."""
    if isinstance(value, StrictUndefined):
        str(value)  # raises UndefinedError with the name


def _kind(value: Any) -> str:
    names = {str: "text", list: "a list", tuple: "a list", dict: "a map", type(None): "null", bool: "a boolean"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def _place(error: BaseException) -> str:
    """The template's line, from the deepest frame that Jinja2 mapped back to the template."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line} of the template: " if line else ""


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=_finalize, autoescape=True, keep_trailing_newline=True
    )
    for name in ("lipsum", "cycler", "joiner"):
        environment.globals.pop(name, None)
    for name in ("safe", "escape", "e", "forceescape", "random", "pprint", "urlize", "xmlattr", "tojson", "striptags"):
        environment.filters.pop(name, None)
    for function in (flux_string, flux_duration, flux_time, flux_ident):
        environment.filters[function.__name__] = function
    return environment


_ENVIRONMENT = _environment()

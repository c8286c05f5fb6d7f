"""Templates: typed values only, strict, sandboxed, and every fault told with its line."""

from __future__ import annotations

import pytest

from influxops.core.template import TemplateFault, render_template


def test_values_become_literals() -> None:
    text = render_template(
        "from(bucket: {{ values.b | flux_string }}) |> range(start: -{{ values.d | flux_duration }}) "
        "|> limit(n: {{ values.n }}) // {{ values.on }} {{ values.t | flux_time }} {{ values.f | flux_ident }}",
        {"b": 'a"b${c}', "d": "1h", "n": 5, "on": True, "t": "2026-01-01T01:00:00+01:00", "f": "mean"},
    )
    assert '\\"' in text
    assert "${" not in text.replace("\\${", "")
    assert "limit(n: 5) // true 2026-01-01T00:00:00Z mean" in text


@pytest.mark.parametrize(
    ("source", "values", "says"),
    [
        ("{{ values.b }}", {"b": "x"}, "must go through a filter"),
        ("{{ values.none }}", {}, "spec.template.values"),
        ("a\n{{ values.x | flux_duration }}", {"x": "1 or 2"}, "line 2 of the template"),
        ("{{ values.x | flux_ident }}", {"x": "a b"}, "flux_ident"),
        ("{{ values.x | flux_ident }}", {"x": "import"}, "flux_ident"),
        ("{{ values.x | flux_time }}", {"x": "2026-01-01T00:00:00"}, "zone"),
        ("{{ values.x | flux_string }}", {"x": 5}, "flux_string"),
        ("{% if %}", {}, "line 1 of the template"),
        ("{{ values.__class__.__mro__ }}", {}, "template"),
        ("{{ ''.__class__.__base__.__subclasses__() }}", {}, "template"),
        ("{{ cycler }}", {}, "cycler"),
        ("{{ values.x | safe }}", {"x": "y"}, "safe"),
        ("{{ 1 / 0 }}", {}, "ZeroDivisionError"),
        ("{% include 'x' %}", {}, "line 1"),
        ("{% for i in range(99999) %}{% for j in range(9) %}x{% endfor %}{% endfor %}", {}, "characters, more than"),
    ],
)
def test_faults_say_where_and_what(source: str, values: dict[str, object], says: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        render_template(source, values)
    assert says in str(caught.value)


def test_loops_and_macros_work() -> None:
    source = "{% macro f(x) %}g({{ x | flux_string }}){% endmacro %}{% for b in values.bs %}{{ f(b) }};{% endfor %}"
    assert render_template(source, {"bs": ["a", "b"]}) == 'g("a");g("b");'

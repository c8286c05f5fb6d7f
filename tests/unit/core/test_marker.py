"""The owner mark: what is written can be read back, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.marker import Owner, read_description, read_script, sha256, stamp_description, stamp_script

OWNER = Owner("c1", "InfluxTask", "team-a", "cpu")


@given(st.text())
def test_a_script_comes_back_byte_for_byte(body: str) -> None:
    """Whatever the script holds, the header is split off exactly."""
    marker, rest = read_script(stamp_script(OWNER, "u-1", body))
    assert marker is not None
    assert (marker.owner, marker.uid, marker.body_sha256) == (OWNER, "u-1", sha256(body))
    assert rest == body


@given(st.text(max_size=200))
def test_a_description_comes_back(text: str) -> None:
    """The user's own description survives the mark."""
    text = text.rstrip()
    marker, rest = read_description(stamp_description(OWNER, "u-1", text))
    assert marker is not None
    assert marker.owner == OWNER
    assert rest == text


@pytest.mark.parametrize(
    "script",
    [
        "",
        "// influxops/v1 owner=a/b/c uid=u sha256=" + "0" * 64 + "\n",
        "// influxops/v1 owner=a/b/c/d uid=u sha256=zz\n",
        " // influxops/v1 owner=a/b/c/d uid=u sha256=" + "0" * 64,
        "// influxops/v2 owner=a/b/c/d uid=u sha256=" + "0" * 64,
        "\n// influxops/v1 owner=a/b/c/d uid=u sha256=" + "0" * 64,
    ],
)
def test_what_is_no_marker_is_left_in_the_script(script: str) -> None:
    """A forged, cut or displaced header is no marker."""
    assert read_script(script) == (None, script)

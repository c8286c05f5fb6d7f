"""core.record: compact, faithful, comparable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from influxops.core.record import DEFLATE_ABOVE, canonical, pack, plain, unpack

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), _json, max_size=6))
def test_unpack_gives_back_what_was_packed(value: dict[str, object]) -> None:
    assert unpack(pack(value)) == value
    assert plain(pack(value)) == canonical(value)


def test_equal_mappings_pack_to_equal_bytes_whatever_the_order_of_their_names() -> None:
    assert pack({"b": 1, "a": {"y": 2, "x": 3}}) == pack({"a": {"x": 3, "y": 2}, "b": 1})


def test_large_mappings_are_deflated() -> None:
    flux = {"flux": 'from(bucket: "raw") |> range(start: -1h)\n' * 100}
    assert len(pack(flux)) < DEFLATE_ABOVE
    assert unpack(pack(flux)) == flux


def test_absent_and_empty_mappings_are_the_same() -> None:
    assert pack(None) == pack({}) == b""
    assert unpack(b"") == {}

"""The proofs of a window: what passes, what does not, and what the messages tell to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.pipeline.checks import Evidence, Needs, judge, needs
from influxops.core.pipeline.plan import CheckPlan
from influxops.core.pipeline.proofs.result import QueryResult, Series, Written
from influxops.core.pipeline.windows.window import Window

WINDOW = Window(datetime(2026, 11, 1, 8, tzinfo=UTC), datetime(2026, 11, 1, 9, tzinfo=UTC))
TIME_SRC = 'timeSrc: "_start"'
ROWS = CheckPlan("RowCount", True, min=1)
COVERAGE = CheckPlan("Coverage", True)
CONSERVATION = CheckPlan("Conservation", True, count_field="t_count")
CHECKSUM = CheckPlan("Checksum", True)


def series(field: str, measurement: str = "env", **tags: str) -> Series:
    return tuple(sorted({"_field": field, "_measurement": measurement, **tags}.items()))


def hosts(number: int, field: str = "t", **tags: str) -> list[Series]:
    return [series(field, host=f"h{n}", **tags) for n in range(number)]


def result(rows: int = 3, many: int = 1, checksum: str = "sha256:a") -> QueryResult:
    return QueryResult(rows=rows, series=many, bytes=100, checksum=checksum)


def written(counts: Mapping[Series, int], checksum: str = "sha256:a", **sums: float) -> Written:
    return Written(rows=sum(counts.values()), counts=counts, sums=sums, checksum=checksum)


def said(check: CheckPlan, evidence: Evidence) -> tuple[bool, str]:
    """The verdict of one check."""
    (verdict,) = judge([check], evidence, WINDOW)
    assert verdict.check is check
    assert str(WINDOW) in verdict.message
    return verdict.passed, verdict.message


@pytest.mark.parametrize(
    ("checks", "native", "wanted"),
    [
        ([], False, Needs(source=False, written=False)),
        ([], True, Needs(source=False, written=False)),
        ([ROWS], False, Needs(source=False, written=False)),
        ([ROWS], True, Needs(source=False, written=True)),
        ([CHECKSUM], False, Needs(source=False, written=True)),
        ([COVERAGE], False, Needs(source=True, written=True)),
        ([CONSERVATION, ROWS], False, Needs(source=True, written=True)),
    ],
)
def test_only_what_the_checks_need_is_read(checks: list[CheckPlan], native: bool, wanted: Needs) -> None:
    assert needs(checks, native=native) == wanted


def test_verdicts_come_in_the_order_of_the_checks() -> None:
    checks = [CHECKSUM, ROWS, CHECKSUM]
    assert [v.check for v in judge(checks, Evidence(result=result()), WINDOW)] == checks


@pytest.mark.parametrize("check", [ROWS, COVERAGE, CONSERVATION, CHECKSUM, CheckPlan("Unheard", True)])
def test_no_check_passes_without_evidence(check: CheckPlan) -> None:
    assert said(check, Evidence())[0] is False


@pytest.mark.parametrize("check", [COVERAGE, CONSERVATION, CHECKSUM])
@pytest.mark.parametrize("evidence", [Evidence(result=result()), Evidence(source={}), Evidence(written=written({}))])
def test_no_comparison_passes_with_half_of_the_evidence(check: CheckPlan, evidence: Evidence) -> None:
    assert said(check, evidence)[0] is False


class TestRowCount:
    @given(st.integers(0, 9), st.none() | st.integers(0, 9), st.none() | st.integers(0, 9), st.booleans())
    def test_passes_exactly_within_its_bounds(self, rows: int, low: int | None, top: int | None, native: bool) -> None:
        """Of the script's rows, and of the destination's where InfluxDB ran it."""
        stands = written({series("t"): rows})
        evidence = Evidence(written=stands) if native else Evidence(result=result(rows), written=written({}))
        passed, message = said(CheckPlan("RowCount", True, min=low, max=top), evidence)
        assert passed == ((low is None or low <= rows) and (top is None or rows <= top))
        assert f"{rows} row" in message

    def test_tells_the_bounds(self) -> None:
        assert "expected 5 to 7" in said(CheckPlan("RowCount", True, min=5, max=7), Evidence(result=result(3)))[1]

    def test_an_empty_destination_of_a_native_run_hints_at_the_stamp_of_its_points(self) -> None:
        assert TIME_SRC in said(ROWS, Evidence(written=written({})))[1]
        assert TIME_SRC not in said(ROWS, Evidence(result=result(0)))[1]


class TestCoverage:
    def evidence(self, source: list[Series], destination: list[Series]) -> Evidence:
        return Evidence(source=dict.fromkeys(source, 60), written=written(dict.fromkeys(destination, 1)))

    def test_series_are_compared_by_the_tags_in_common(self) -> None:
        """The destination has other fields, another measurement and a tag of its own; the source's tag is dropped there."""
        destination = [series("t_mean", "roll", host=f"h{n}", job="x") for n in range(3)]
        assert said(COVERAGE, self.evidence(hosts(3, room="r"), destination))[0]

    def test_missing_series_are_named_up_to_five(self) -> None:
        passed, message = said(COVERAGE, self.evidence(hosts(9), hosts(2)))
        assert not passed
        assert "2 of 9 series" in message
        assert "host=h2, host=h3, host=h4, host=h5, host=h6 and 2 more" in message
        assert "host=h7" not in message

    def test_five_missing_series_are_all_named(self) -> None:
        message = said(COVERAGE, self.evidence(hosts(6), hosts(1)))[1]
        assert "host=h5" in message
        assert "more;" not in message

    @given(st.integers(1, 30), st.integers(0, 30), st.integers(1, 100))
    def test_passes_exactly_from_the_share_on(self, of: int, present: int, percent: int) -> None:
        """No rounding: 2 of 3 are not 67 %."""
        present = min(of, present)
        passed, _ = said(replace(COVERAGE, min_percent=percent), self.evidence(hosts(of), hosts(present)))
        assert passed == (present * 100 >= percent * of)

    def test_tags_of_by_tell_series_apart(self) -> None:
        """By room, one host of the room is enough."""
        evidence = self.evidence(hosts(3, room="r"), hosts(1, room="r"))
        assert not said(COVERAGE, evidence)[0]
        assert said(replace(COVERAGE, by=("room",)), evidence)[0]

    def test_by_may_name_the_field(self) -> None:
        evidence = self.evidence([series("t"), series("h")], [series("t")])
        passed, message = said(replace(COVERAGE, by=("_field",)), evidence)
        assert not passed
        assert "_field=h" in message

    def test_a_tag_that_the_source_lacks_proves_nothing(self) -> None:
        passed, message = said(replace(COVERAGE, by=("hots",)), self.evidence(hosts(2), hosts(2)))
        assert not passed
        assert "no series of the source has the tag hots" in message
        assert "it has host" in message

    def test_without_any_tag_in_common_nothing_is_proven(self) -> None:
        """A grand total would cover everything."""
        passed, message = said(COVERAGE, self.evidence(hosts(2), [series("t")]))
        assert not passed
        assert "no tag in common" in message

    def test_a_source_without_tags_is_covered_by_any_point(self) -> None:
        assert said(COVERAGE, self.evidence([series("t")], [series("t_mean", job="x")]))[0]
        assert not said(COVERAGE, self.evidence([series("t")], []))[0]

    def test_an_empty_source_is_covered(self) -> None:
        assert said(COVERAGE, self.evidence([], []))[0]
        assert said(replace(COVERAGE, by=("host",)), self.evidence([], hosts(1)))[0]

    def test_an_empty_destination_hints_at_the_stamp_of_its_points(self) -> None:
        passed, message = said(COVERAGE, self.evidence(hosts(2), []))
        assert not passed
        assert TIME_SRC in message

    def test_a_tag_that_some_series_lack_is_a_value_of_its_own(self) -> None:
        source = [series("t", host="a"), series("t", host="a", room="r")]
        passed, message = said(COVERAGE, self.evidence(source, source[1:]))
        assert not passed
        assert "missing by host, room: host=a room=;" in message

    def test_names_of_any_length_leave_a_short_message(self) -> None:
        source = [series("t", host="x" * 60_000 + str(n)) for n in range(50)]
        assert len(said(COVERAGE, self.evidence(source, hosts(1)))[1]) < 1200


class TestConservation:
    SOURCE = dict.fromkeys(hosts(2), 30)

    def evidence(self, found: float | None, source: Mapping[Series, int] = SOURCE) -> Evidence:
        counts = dict.fromkeys([series("t_count", "roll"), series("t_mean", "roll")], 1)
        return Evidence(
            source=source, written=written(counts, **({} if found is None else {"t_count": found}), t_mean=1.5)
        )

    @given(st.integers(0, 200), st.sampled_from([0.0, 0.5, -1.0, float("nan"), float("inf")]))
    def test_passes_exactly_on_equal_numbers(self, found: int, more: float) -> None:
        assert said(CONSERVATION, self.evidence(found + more))[0] == (found + more == 60)

    def test_tells_both_numbers_and_the_difference(self) -> None:
        passed, message = said(CONSERVATION, self.evidence(48))
        assert not passed
        for words in ("60 points in the source", "48 counted in t_count", "(-12)", TIME_SRC):
            assert words in message

    def test_more_than_came_hints_at_an_earlier_run_and_at_points_that_come_now(self) -> None:
        message = said(CONSERVATION, self.evidence(61))[1]
        assert "(+1)" in message
        assert "came while the window ran" in message
        assert "Replace" in message

    def test_twice_the_points_are_told_as_such(self) -> None:
        assert "counted 2 times" in said(CONSERVATION, self.evidence(120))[1]

    def test_a_source_of_several_fields_hints_at_the_one_that_fits(self) -> None:
        source = {series("h"): 50, series("t", host="a"): 30, series("t", host="b"): 30}
        passed, message = said(CONSERVATION, self.evidence(60, source))
        assert not passed
        assert "the source has 2 fields; name one in source.field, such as t" in message
        assert "the one that is counted" in said(CONSERVATION, self.evidence(61, source))[1]

    def test_an_empty_destination_hints_at_the_stamp_of_its_points(self) -> None:
        passed, message = said(CONSERVATION, Evidence(source=self.SOURCE, written=written({})))
        assert not passed
        assert TIME_SRC in message

    def test_a_count_field_that_is_missing_is_told_with_those_that_are_there(self) -> None:
        counts = {series("t_cnt", "roll"): 1}
        message = said(CONSERVATION, Evidence(source=self.SOURCE, written=written(counts, t_cnt=60)))[1]
        assert "has no field t_count (it has t_cnt)" in message

    @pytest.mark.parametrize("source", [SOURCE, {}])
    def test_a_count_field_that_holds_text_never_passes(self, source: Mapping[Series, int]) -> None:
        passed, message = said(CONSERVATION, self.evidence(None, source))
        assert not passed
        assert "no numbers in t_count" in message

    def test_nothing_read_and_nothing_written_is_conserved(self) -> None:
        assert said(CONSERVATION, Evidence(source={}, written=written({})))[0]

    def test_counts_without_a_source_are_not(self) -> None:
        assert not said(CONSERVATION, self.evidence(3, {}))[0]


class TestChecksum:
    STANDS = written({series("t"): 3})

    def test_the_same_rows_pass(self) -> None:
        assert said(CHECKSUM, Evidence(result=result(), written=self.STANDS))[0]

    @given(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", "sha256:a", "sha256:b"]), st.data())
    def test_never_passes_on_evidence_that_differs(
        self, rows: int, many: int, digest: str, data: st.DataObject
    ) -> None:
        """Checksums where both have one; rows and series where one has none."""
        other = data.draw(st.sampled_from(["", "sha256:a", "sha256:b"]))
        counts = {series("t", host=str(n)): 1 for n in range(data.draw(st.integers(0, 3)))}
        stands = written(counts, other)
        passed, _ = said(CHECKSUM, Evidence(result=result(rows, many, digest), written=stands))
        equal = digest == other if digest and other else (rows, many) == (stands.rows, len(counts))
        assert passed == equal

    def test_without_a_checksum_the_message_says_what_was_compared(self) -> None:
        message = said(CHECKSUM, Evidence(result=result(checksum=""), written=self.STANDS))[1]
        assert "only their numbers are compared" in message

    def test_an_empty_destination_hints_at_the_stamp_of_its_points(self) -> None:
        assert TIME_SRC in said(CHECKSUM, Evidence(result=result(), written=written({}, "sha256:none")))[1]

    def test_more_rows_than_written_hint_at_replace(self) -> None:
        stands = written({series("t"): 4}, "sha256:b")
        assert "Replace" in said(CHECKSUM, Evidence(result=result(), written=stands))[1]

    def test_fewer_rows_than_written_hint_at_points_outside(self) -> None:
        stands = written({series("t"): 2}, "sha256:b")
        assert "outside of the window" in said(CHECKSUM, Evidence(result=result(), written=stands))[1]

    def test_as_many_rows_with_other_values_hint_at_another_writer(self) -> None:
        stands = replace(self.STANDS, checksum="sha256:b")
        assert "something else writes there" in said(CHECKSUM, Evidence(result=result(), written=stands))[1]

    def test_rows_that_are_no_field_values_cannot_be_compared(self) -> None:
        """Even when the numbers fit by chance."""
        wide = replace(result(), comparable=False, checksum="")
        passed, message = said(CHECKSUM, Evidence(result=wide, written=self.STANDS))
        assert not passed
        assert "cannot be compared" in message

    def test_a_native_run_has_nothing_to_compare_with(self) -> None:
        passed, message = said(CHECKSUM, Evidence(written=self.STANDS))
        assert not passed
        assert "execution: Query" in message

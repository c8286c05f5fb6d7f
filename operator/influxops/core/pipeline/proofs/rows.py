"""The proofs that count and compare rows: RowCount and Checksum."""

from __future__ import annotations

from influxops.core.pipeline.proofs.result import QueryResult, Written

Finding = tuple[bool, str]
"""Whether a proof passed, and what it says."""

TIME_SRC = (
    'a point stamped at the end of the window belongs to the next one, so write timeSrc: "_start" in aggregateWindow '
    "(the default is _stop)"
)
REPLACE = "points of an earlier run stand there, too; writeDisposition: Replace removes them first"


def row_count(rows: int, least: int | None, most: int | None, *, native: bool, where: str) -> Finding:
    """``rows`` within the bounds: those that the script wrote, or, when InfluxDB ran it, those of the destination."""
    found = f"{_rows(rows)} {'in the destination' if native else 'written'} for {where}"
    wanted = _bounds(least, most)
    if (least is None or rows >= least) and (most is None or rows <= most):
        return True, f"{found}, expected {wanted}"
    if most is not None and rows > most:
        return False, f"{found}, expected {wanted}; look for series that should not be there, or correct max"
    if rows or not native:
        return False, f"{found}, expected {wanted}; look whether the source has its points and what the script filters"
    return False, f"{found}, expected {wanted}; look whether the script writes there; {TIME_SRC}"


def checksum(result: QueryResult, written: Written, where: str) -> Finding:
    """The destination holds exactly the rows that the script wrote; beyond the rows that are hashed, as many rows and series."""
    if not result.comparable:
        return False, (
            f"the rows written for {where} cannot be compared: they are no single field values; end the script with to() "
            "without fieldFn, or use the check Conservation"
        )
    hashed = bool(result.checksum and written.checksum)
    same = (result.rows, result.series) == (written.rows, len(written.counts))
    found = (
        f"{_rows(result.rows)} of {result.series} series written for {where}, "
        f"{written.rows} of {len(written.counts)} in the destination"
    )
    if hashed and result.checksum == written.checksum:
        return True, f"{found}, checksum {result.checksum}"
    if not hashed and same:
        return True, f"{found}; too many for a checksum, so only their numbers are compared"
    return False, f"{found}, expected the same; {_why_not(result, written, same=same)}"


def _why_not(result: QueryResult, written: Written, *, same: bool) -> str:
    if not written.rows:
        return TIME_SRC
    if same:
        return (
            "their values or times differ: something else writes there, the script gave a series two values for one time, "
            f"or {TIME_SRC}"
        )
    if written.rows > result.rows:
        return f"{REPLACE}; or something else writes there"
    return f"the script wrote outside of the window or two values for one series and time; {TIME_SRC}"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _bounds(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f"{least}" if least == most else f"{least} to {most}"
    return f"at least {least}" if most is None else f"at most {most}"

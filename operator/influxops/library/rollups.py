"""Values of the templates that roll up: ``downsample`` and ``reaggregate``."""

from __future__ import annotations

from influxops.library.values import Fields, Step


class DownsampleValues(Fields):
    """Sum, count, minimum, maximum and mean of fields with numbers, as fields of their own: of `temp` they are `temp_sum`,
    `temp_count`, `temp_min`, `temp_max` and `temp_mean`.
    """

    every: Step | None = None
    """Length of the steps to roll up to, such as `5m`, at whole multiples in UTC; the window of a run must be a whole number
    of them. By default the whole window becomes one row, whatever its length: that of a local day, too."""


class ReaggregateValues(Fields):
    """What `downsample` wrote is rolled up further. `fields` are the names before downsampling: `temp` stands for
    `temp_sum`, `temp_count`, `temp_min` and `temp_max`, which are read, and for `temp_mean` as well, which is written.
    """

    every: Step | None = None
    """Length of the steps to roll up to, such as `1h`: a whole multiple of the steps that are read. By default the whole
    window becomes one row, whatever its length: that of a local day, too."""

"""Templates that come with influxops: for each its text (``<name>.flux.j2``), the values that it takes, and what it promises."""

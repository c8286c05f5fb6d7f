"""``make demo``: the whole of influxops at work on loopback, from an empty machine to downsampled rows."""

from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env") |> to(bucket: "first")

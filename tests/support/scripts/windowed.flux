from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> to(bucket: "hourly")

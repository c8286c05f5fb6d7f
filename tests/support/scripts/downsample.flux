from(bucket: "raw")
  |> range(start: -1h)
  |> aggregateWindow(every: 5m, fn: mean)
  |> to(bucket: "hourly")

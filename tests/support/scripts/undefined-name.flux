from(bucket: "raw") |> range(start: nope)

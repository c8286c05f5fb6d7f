option task = {name: "own", every: 1h, offset: 10m}

from(bucket: "raw") |> range(start: -1h) |> to(bucket: "hourly")

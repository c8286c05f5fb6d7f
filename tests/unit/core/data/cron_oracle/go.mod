module cron_oracle

go 1.24

require github.com/influxdata/cron v0.0.0-20201006132531-4bb0a200dcbe

// Answers what InfluxDB's own cron library does, as the data of ../../test_cron.py.
//
// Each line of the input is "<unix seconds>|<expression>"; each line of the output is the next slot in unix seconds,
// "refused" (no such expression), "never" (no slot before 2100) or "panic" (the library reads out of bounds).
//
//	go run . < questions > answers
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/cron"
)

func answer(expression string, after time.Time) (text string) {
	defer func() {
		if recover() != nil {
			text = "panic"
		}
	}()
	parsed, err := cron.ParseUTC(expression)
	if err != nil {
		return "refused"
	}
	next, err := parsed.Next(after)
	if err != nil {
		return "never"
	}
	return strconv.FormatInt(next.Unix(), 10)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		seconds, expression, _ := strings.Cut(lines.Text(), "|")
		after, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(answer(expression, time.Unix(after, 0).UTC()))
	}
}

// Command kstatus says what the reference implementation of kstatus thinks of Kubernetes objects: JSON objects on standard
// input, one after the other, a line of JSON for each on standard output.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := judge(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func judge(in io.Reader, out io.Writer) error {
	objects, verdicts := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var text json.RawMessage
		if err := objects.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(text); err != nil { // not json.Unmarshal: kstatus wants int64, not float64
			return err
		}
		result, err := status.Compute(&object)
		if err != nil {
			return err
		}
		if err := verdicts.Encode(verdict{result.Status.String(), result.Message}); err != nil {
			return err
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// run is the body of a job: it records in the journal when it starts and when it ends. See midpipe_job.py.
func run(jobID string, payload json.RawMessage) error {
	asked := struct {
		Body    string  `json:"body"`
		Seconds float64 `json:"seconds"`
	}{}
	_ = json.Unmarshal(payload, &asked) // another payload asks for nothing
	journal, _ := os.ReadFile(os.Getenv("MIDPIPE_JOURNAL"))
	ranBefore := strings.Contains(string(journal), "start "+jobID+"\n")
	record("start", jobID)
	switch {
	case asked.Body == "fail", asked.Body == "fail-once" && !ranBefore:
		return fmt.Errorf("the body of %s fails", jobID)
	case asked.Body == "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case asked.Body == "sleep":
		time.Sleep(time.Duration(asked.Seconds * float64(time.Second)))
	}
	record("end", jobID)
	return nil
}

func record(what, jobID string) {
	file, err := os.OpenFile(os.Getenv("MIDPIPE_JOURNAL"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	must(err)
	_, err = fmt.Fprintf(file, "%s %s\n", what, jobID)
	must(err)
	must(file.Close())
}

// Hosts a queue in Go as midpipe's subject: reads requests of the subject protocol (docs/subject-protocol.md) from standard
// input, calls the queue, and answers on standard output. It is compiled together with a file that has
// func open(redisURL string) (queue, error).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"
)

// queue is what a file beside this one implements. Accepted is false if the job was in the queue already.
type queue interface {
	enqueue(jobID string, payload json.RawMessage) (accepted bool, err error)
	close()
}

// A queue whose jobs the library's worker runs.
type working interface {
	work(jobs int, idle time.Duration) error
}

// A queue whose caller runs the jobs.
type handingOut interface {
	dequeue() (jobID string, found bool, err error)
}

// A queue that says itself what it promises.
type promising interface {
	promises() map[string]any
}

// A queue that says what it sends in the background: each a command, its key and words among its arguments, as globs.
type backgrounding interface {
	background() []string
}

type request struct {
	ID      int    `json:"id"`
	Do      string `json:"do"`
	Client  string `json:"client"`
	Redis   string `json:"redis"`
	Journal string `json:"journal"`
	Method  string `json:"method"`
	Args    struct {
		JobID   string          `json:"job_id"`
		Payload json.RawMessage `json:"payload"`
		Jobs    int             `json:"jobs"`
		IdleS   float64         `json:"idle_s"`
	} `json:"args"`
}

type message = map[string]any

var queues = map[string]queue{}

func main() {
	answers := json.NewEncoder(os.Stdout)
	// The protocol has standard output to itself; what the subject prints goes to standard error.
	os.Stdout = os.Stderr
	must(answers.Encode(message{"ready": true}))
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<28)
	for lines.Scan() {
		var asked request
		must(json.Unmarshal(lines.Bytes(), &asked))
		if asked.Do == "exit" {
			return
		}
		begun := time.Now()
		answer, err := perform(asked)
		if err != nil {
			kind := fmt.Sprintf("%T", err)
			answer = message{"error": message{"type": kind, "message": err.Error(), "kinds": []string{kind}}}
		}
		answer["id"], answer["children"] = asked.ID, false
		answer["ms"] = float64(time.Since(begun).Microseconds()) / 1000
		must(answers.Encode(answer))
	}
}

func perform(asked request) (message, error) {
	if asked.Do == "call" {
		return call(queues[asked.Client], asked)
	}
	if known, ok := queues[asked.Client]; ok {
		known.close()
		delete(queues, asked.Client)
	}
	if asked.Do != "open" {
		return message{"ok": true, "clean": isIdle()}, nil
	}
	if asked.Journal != "" {
		must(os.Setenv("MIDPIPE_JOURNAL", asked.Journal))
	}
	opened, err := open(asked.Redis)
	if err != nil {
		return nil, err
	}
	queues[asked.Client] = opened
	return described(opened), nil
}

// isIdle says whether nothing is left of the queues that were closed. A goroutine that was stopped ends a moment later.
func isIdle() bool {
	for tries := 0; tries < 50 && runtime.NumGoroutine() > 1; tries++ {
		time.Sleep(time.Millisecond)
	}
	return len(queues) == 0 && runtime.NumGoroutine() == 1
}

func described(opened queue) message {
	methods := []string{"enqueue"}
	accepts := message{"enqueue": []string{"job_id", "payload"}}
	promises := map[string]any{}
	if _, works := opened.(working); works {
		methods, accepts["work"] = append(methods, "work"), []string{"jobs", "idle_s"}
	}
	if _, handsOut := opened.(handingOut); handsOut {
		methods, accepts["dequeue"] = append(methods, "dequeue"), []string{}
	}
	if promiser, promised := opened.(promising); promised {
		promises = promiser.promises()
	}
	background := []string{}
	if sender, sends := opened.(backgrounding); sends {
		background = sender.background()
	}
	return message{"ok": true, "methods": methods, "accepts": accepts, "promises": promises, "background": background}
}

func call(on queue, asked request) (message, error) {
	switch asked.Method {
	case "enqueue":
		accepted, err := on.enqueue(asked.Args.JobID, asked.Args.Payload)
		return message{"ok": accepted}, err
	case "work":
		if worker, works := on.(working); works {
			idle := time.Duration(asked.Args.IdleS * float64(time.Second))
			return message{"ok": nil}, worker.work(asked.Args.Jobs, idle)
		}
	case "dequeue":
		if source, handsOut := on.(handingOut); handsOut {
			jobID, found, err := source.dequeue()
			if !found {
				return message{"ok": nil}, err
			}
			return message{"ok": jobID}, err
		}
	}
	return nil, fmt.Errorf("there is no call %s", asked.Method)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

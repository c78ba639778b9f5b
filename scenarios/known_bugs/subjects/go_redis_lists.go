package main

// Small queues over go-redis, each with one way of calling it, so that what the driver does shows in the queue's jobs. The
// first word of the command line names the way; the variable MIDPIPE_CONSTRUCTOR chooses how the client is made.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

const blocksFor = time.Second

type lists struct {
	client *redis.Client
	way    string
}

func open(redisURL string) (queue, error) {
	parsed, err := url.Parse(redisURL)
	if err != nil {
		return nil, err
	}
	options := &redis.Options{Addr: parsed.Host}
	switch os.Getenv("MIDPIPE_CONSTRUCTOR") {
	case "from_url":
		options, err = redis.ParseURL("redis://" + parsed.Host)
	case "no-retries":
		options.MaxRetries = -1
	}
	if err != nil {
		return nil, err
	}
	return &lists{redis.NewClient(options), os.Args[1]}, nil
}

func (l *lists) promises() map[string]any {
	return map[string]any{"delivery": "at-most-once", "deduplicates": "none"}
}

func (l *lists) enqueue(jobID string, _ json.RawMessage) (bool, error) {
	ctx := context.Background()
	countAndPush := func(pipe redis.Pipeliner) error {
		pipe.Incr(ctx, "count")
		pipe.RPush(ctx, "jobs", jobID)
		return nil
	}
	var err error
	switch l.way {
	case "Push", "BlockingPop":
		err = l.client.RPush(ctx, "jobs", jobID).Err()
	case "Pipeline":
		_, err = l.client.Pipelined(ctx, countAndPush)
	case "Transaction":
		_, err = l.client.TxPipelined(ctx, countAndPush)
	case "Watch":
		err = l.watched(ctx, jobID)
	default:
		err = fmt.Errorf("there is no way %s", l.way)
	}
	return true, err
}

// watched puts the job into the list if the version has not changed meanwhile, and starts again if it has.
func (l *lists) watched(ctx context.Context, jobID string) error {
	change := func(tx *redis.Tx) error {
		version, err := tx.Get(ctx, "version").Int()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "version", version+1, 0)
			pipe.RPush(ctx, "jobs", jobID)
			return nil
		})
		return err
	}
	for {
		err := l.client.Watch(ctx, change, "version")
		if !errors.Is(err, redis.TxFailedErr) {
			return err
		}
	}
}

func (l *lists) dequeue() (string, bool, error) {
	ctx := context.Background()
	var jobID string
	var err error
	if l.way == "BlockingPop" {
		var found []string
		if found, err = l.client.BLPop(ctx, blocksFor, "jobs").Result(); err == nil {
			jobID = found[1]
		}
	} else {
		jobID, err = l.client.LPop(ctx, "jobs").Result()
	}
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return jobID, err == nil, err
}

func (l *lists) close() { _ = l.client.Close() }

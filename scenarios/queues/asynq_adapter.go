package main

// asynq under the contract: its client and its server, with their defaults but for how often the server looks for tasks.

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/hibiken/asynq"
)

type task struct {
	JobID   string
	Payload json.RawMessage
}

type adapter struct {
	redis  asynq.RedisClientOpt
	client *asynq.Client
}

func open(redisURL string) (queue, error) {
	parsed, err := url.Parse(redisURL)
	if err != nil {
		return nil, err
	}
	redis := asynq.RedisClientOpt{Addr: parsed.Host}
	// asynq takes the time-outs as fields, not from the URL.
	redis.ReadTimeout, err = time.ParseDuration(parsed.Query().Get("socket_timeout") + "s")
	redis.WriteTimeout, redis.DialTimeout = redis.ReadTimeout, redis.ReadTimeout
	return &adapter{redis, asynq.NewClient(redis)}, err
}

func (a *adapter) enqueue(jobID string, payload json.RawMessage) (bool, error) {
	text, err := json.Marshal(task{jobID, payload})
	if err != nil {
		return false, err
	}
	_, err = a.client.Enqueue(asynq.NewTask("run", text), asynq.TaskID(jobID))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	return true, err
}

func (a *adapter) work(jobs int, idle time.Duration) error {
	ended := make(chan bool, 100)
	body := func(_ context.Context, given *asynq.Task) error {
		defer func() { ended <- true }()
		var asked task
		if err := json.Unmarshal(given.Payload(), &asked); err != nil {
			return err
		}
		return run(asked.JobID, asked.Payload)
	}
	settings := asynq.Config{Concurrency: 1, TaskCheckInterval: 20 * time.Millisecond, ShutdownTimeout: time.Second}
	server := asynq.NewServer(a.redis, settings)
	if err := server.Start(asynq.HandlerFunc(body)); err != nil {
		return err
	}
	defer server.Shutdown()
	for ; jobs > 0; jobs-- {
		select {
		case <-ended:
			if jobs == 1 {
				server.Stop()
			}
		case <-time.After(idle + time.Second):
			return nil
		}
	}
	return nil
}

// What the server writes of itself for asynq's own tools; no task depends on it.
func (a *adapter) background() []string {
	return []string{
		"ZADD:asynq:servers", "ZREM:asynq:servers", "ZADD:asynq:workers", "ZREM:asynq:workers", "EVALSHA:asynq:servers:*",
	}
}

func (a *adapter) close() { _ = a.client.Close() }

"""The adapter of service.py: starts the service for each client and maps the calls to requests."""

import sys
from pathlib import Path

import midpipe_service

SERVICE = Path(__file__).with_name("service.py")


class Queue:
    promises = {"delivery": "at-least-once", "after_crash": "reruns"}

    def __init__(self, url):
        command = [sys.executable, str(SERVICE), "{redis_url}", "{port}"]
        self.service = midpipe_service.Service(command, url)

    def enqueue(self, job_id, payload=None):
        self.service.request("POST", "/jobs", {"job_id": job_id, "payload": payload})

    def work(self, jobs=1):
        for _ in range(jobs):
            if not self.service.request("POST", "/work", {})["ran"]:
                return

    def close(self):
        self.service.close()

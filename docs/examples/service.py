"""A job queue as a service: python service.py REDIS_URL PORT. POST /jobs puts a job in, POST /work runs one."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import midpipe_job
import redis

PUT_ONCE = """
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', 86400) then return 0 end
return redis.call('RPUSH', KEYS[2], ARGV[1])
"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        try:
            self.jobs(text) if self.path == "/jobs" else self.work()
        except redis.RedisError as error:
            self.answer(503, {"error": str(error)})

    def jobs(self, text):
        unique = "seen:" + json.loads(text)["job_id"]
        self.answer(201 if store.eval(PUT_ONCE, 2, unique, "jobs", text) else 200)

    def work(self):
        job = store.lmove("jobs", "taken", "LEFT", "RIGHT")
        if job:
            midpipe_job.run_taken(job)
            store.lrem("taken", 1, job)
        self.answer(200, {"ran": bool(job)})

    def answer(self, status, body=None):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body or {}).encode())

    def log_message(self, *_):
        pass


store = redis.Redis.from_url(sys.argv[1])
HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()

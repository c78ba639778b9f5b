// BullMQ under the contract: its queue and its worker, with their defaults but for how soon a dead worker's job is stalled.
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../subjects/job/midpipe_job.mjs";

const bullmq = createRequire(`${process.env.MIDPIPE_PACKAGES}/`)("bullmq");
const NAME = "midpipe";
const SETTINGS = { lockDuration: 500, stalledInterval: 200, drainDelay: 0.05 };

export class Queue {
  static accepts = { enqueue: ["job_id", "payload"], work: ["jobs", "idle_s"] };

  constructor(url) {
    const { hostname, port, pathname, searchParams } = new URL(url);
    const [commandTimeout, connectTimeout] = ["socket_timeout", "socket_connect_timeout"].map(
      (name) => 1000 * Number(searchParams.get(name)),
    );
    this.connection = { host: hostname, port: Number(port), db: Number(pathname.slice(1)), commandTimeout, connectTimeout };
    this.queue = new bullmq.Queue(NAME, { connection: this.connection });
    this.queue.on("error", (error) => console.error(error.message));
  }

  async enqueue({ job_id, payload }) {
    await this.queue.add("run", { job_id, payload }, { jobId: job_id });
  }

  async work({ jobs = 1, idle_s = 0.2 }) {
    let [left, isDone] = [jobs, null];
    const done = new Promise((resolve) => (isDone = resolve));
    const connection = { ...this.connection, maxRetriesPerRequest: null };
    const body = async ({ data }) => {
      left -= 1;
      // Closed from inside the last body; otherwise the worker fetches one job more.
      if (!left) worker.close().then(isDone);
      return run(data.job_id, data.payload);
    };
    const worker = new bullmq.Worker(NAME, body, { connection, ...SETTINGS });
    worker.on("error", (error) => console.error(error.message));
    const longest = 1000 * (idle_s + SETTINGS.stalledInterval / 1000) * jobs + 500;
    await Promise.race([done, sleep(longest, null, { ref: false })]);
    await worker.close();
  }

  async close() {
    await this.queue.close();
  }
}

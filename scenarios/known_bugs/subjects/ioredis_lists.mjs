// Small queues over ioredis, each with one way of calling it, so that what the driver does shows in the queue's jobs.
// The variable MIDPIPE_CONSTRUCTOR chooses how the client is made.
import { once } from "node:events";
import { createRequire } from "node:module";

const ioredis = createRequire(`${process.env.MIDPIPE_PACKAGES}/`)("ioredis");
const BLOCKS_FOR_S = 1;
const OPTIONS = {
  "no-resending": { autoResendUnfulfilledCommands: false },
  "another-database": { db: 1 },
};
const SENTINELS = process.env.MIDPIPE_SENTINELS?.split(",").map((address) => {
  const [host, port] = address.split(":");
  return { host, port: Number(port) };
});

class Lists {
  static accepts = { enqueue: ["job_id"], dequeue: [] };
  static promises = { delivery: "at-most-once", deduplicates: "none" };

  constructor(url) {
    const { hostname, port } = new URL(url);
    const Client = ioredis.default ?? ioredis;
    const address = SENTINELS
      ? { sentinels: SENTINELS, name: "midpipe" }
      : { host: hostname, port: Number(port), ...OPTIONS[process.env.MIDPIPE_CONSTRUCTOR] };
    this.redis = new Client(address);
    this.redis.on("error", (error) => console.error(error.message));
  }

  close() {
    this.redis.disconnect();
  }
}

/** A list of job ids, with one RPUSH for each. Each job that is enqueued must be handed out once. */
export class Push extends Lists {
  async enqueue({ job_id }) {
    await this.redis.rpush("jobs", job_id);
  }

  async dequeue() {
    return this.redis.lpop("jobs");
  }
}

/** A pipeline without MULTI. */
export class Pipeline extends Push {
  async enqueue({ job_id }) {
    checked(await this.redis.pipeline().incr("count").rpush("jobs", job_id).exec());
  }
}

/** MULTI … EXEC. */
export class Transaction extends Push {
  async enqueue({ job_id }) {
    checked(await this.redis.multi().incr("count").rpush("jobs", job_id).exec());
  }
}

/** BLPOP. */
export class BlockingPop extends Push {
  async dequeue() {
    const found = await this.redis.blpop("jobs", BLOCKS_FOR_S);
    return found && found[1];
  }
}

/** PUBLISH. A message is not kept, so it counts how often the server ran the command. */
export class Publish extends Lists {
  static accepts = { enqueue: ["job_id"] };

  async enqueue({ job_id }) {
    // PUBLISH is sent before the client is ready, as some commands are; what is lost then never settles in 5.11.1.
    if (this.redis.status !== "ready") await once(this.redis, "ready");
    await this.redis.publish("jobs", job_id);
  }
}

/** A subscriber, which also listens for the driver's event that says that the connection has ended. */
export class Receive extends Lists {
  constructor(url) {
    super(url);
    this.received = [];
    this.arrived = () => {};
    this.redis.on("message", (_, job_id) => this.take(job_id));
    this.redis.on("close", () => this.take("close"));
    this.redis.subscribe("jobs").catch((error) => console.error(error.message));
  }

  take(item) {
    this.received.push(item);
    this.arrived();
  }

  /** Return the next job id, or the name of an event; null if none arrives. */
  async dequeue() {
    if (!this.received.length) {
      await new Promise((resolve) => {
        this.arrived = resolve;
        setTimeout(resolve, BLOCKS_FOR_S * 1000);
      });
    }
    return this.received.shift() ?? null;
  }
}

/** Throw the first error among the answers of a pipeline, as a careful caller does. */
function checked(answers) {
  const failed = answers.find(([error]) => error);
  if (failed) throw failed[0];
}

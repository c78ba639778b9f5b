// A queue in JavaScript that speaks midpipe's subject protocol: see docs/subject-protocol.md. Needs Node 18, nothing else.
import net from "node:net";
import readline from "node:readline";

const ENQUEUE = `
if redis.call('EXISTS', KEYS[1]) == 1 or (ARGV[1] ~= '' and redis.call('EXISTS', KEYS[3]) == 1) then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('RPUSH', KEYS[2], ARGV[2])
if ARGV[1] ~= '' then redis.call('SET', KEYS[3], ARGV[2], 'EX', 86400) end
return 1`;
const WORKSPACE = /^[a-z0-9][a-z0-9_-]{0,31}$/;

/** One connection, opened when it is first needed and again after an error; answers come in the order of the questions. */
class Redis {
  constructor(url) {
    const { hostname, port, pathname, searchParams } = new URL(url);
    this.where = { host: hostname, port: Number(port) };
    this.database = pathname.slice(1) || "0";
    this.timeoutMs = Number(searchParams.get("socket_timeout") || 2) * 1000;
  }

  async call(...words) {
    if (!this.socket) {
      await this.connect();
      await this.ask("SELECT", this.database);
    }
    return this.ask(...words);
  }

  connect() {
    return new Promise((resolve, reject) => {
      const socket = net.createConnection(this.where, resolve);
      this.waiting = { reject };
      this.received = Buffer.alloc(0);
      const fail = (error) => {
        if (this.socket === socket) this.socket = undefined;
        socket.destroy();
        this.waiting?.reject(error);
      };
      socket.setNoDelay(true);
      socket.setTimeout(this.timeoutMs, () => fail(new Error("time-out")));
      socket.on("error", fail);
      socket.on("close", () => fail(new Error("connection closed")));
      socket.on("data", (data) => this.hear(data));
      this.socket = socket;
    });
  }

  ask(...words) {
    const text = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join("");
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(`*${words.length}\r\n${text}`);
    });
  }

  hear(data) {
    this.received = Buffer.concat([this.received, data]);
    const reply = parsed(this.received, 0);
    if (!reply) return;
    this.received = this.received.subarray(reply.end);
    if (reply.value instanceof Error) this.waiting.reject(reply.value);
    else this.waiting.resolve(reply.value);
  }
}

/** The reply that begins at a place in the bytes, and where it ends; nothing if it is not all there yet. */
function parsed(bytes, start) {
  const line = bytes.indexOf("\r\n", start);
  if (line < 0) return undefined;
  const head = bytes.toString("utf8", start + 1, line);
  const kind = String.fromCharCode(bytes[start]);
  let end = line + 2;
  if (kind === "$") {
    if (head === "-1") return { value: null, end };
    const last = end + Number(head);
    return bytes.length < last + 2 ? undefined : { value: bytes.toString("utf8", end, last), end: last + 2 };
  }
  if (kind === "*") {
    const value = [];
    for (let n = 0; n < Number(head); n += 1) {
      const item = parsed(bytes, end);
      if (!item) return undefined;
      value.push(item.value);
      end = item.end;
    }
    return { value, end };
  }
  return { value: kind === "-" ? new Error(head) : kind === ":" ? Number(head) : head, end };
}

class Queue {
  constructor(url) {
    this.redis = new Redis(url);
  }

  async enqueue({ job_id, action_provider, action_name, params, workspace_id, actor_id, client_request_id: request }) {
    if (!WORKSPACE.test(workspace_id ?? "")) throw new TypeError("workspace_id is not one");
    const job = { job_id, status: "pending", action_provider, action_name, params: JSON.stringify(params), workspace_id, actor_id };
    const fields = Object.entries(job).flat();
    const keys = [`js:job:${job_id}`, "js:pending", `js:request:${workspace_id}:${request ?? ""}`];
    return (await this.redis.call("EVAL", ENQUEUE, 3, ...keys, request ?? "", job_id, ...fields)) === 1;
  }

  async get_job({ job_id, workspace_id }) {
    const words = await this.redis.call("HGETALL", `js:job:${job_id}`);
    if (!words.length) return null;
    const job = Object.fromEntries(words.flatMap((word, n) => (n % 2 ? [] : [[word, words[n + 1]]])));
    if (workspace_id && job.workspace_id !== workspace_id) return null;
    return { ...job, params: JSON.parse(job.params) };
  }

  async dequeue() {
    return this.redis.call("LPOP", "js:pending");
  }
}

const clients = new Map();
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function answer({ do: what, client, redis, method, args }) {
  if (what === "call") return { ok: await clients.get(client)[method](args) };
  clients.get(client)?.redis.socket?.destroy();
  clients.delete(client);
  if (what !== "open") return { ok: true };
  clients.set(client, new Queue(redis));
  return { ok: true, methods: ["enqueue", "get_job", "dequeue"], latency_bound_s: null };
}

say({ ready: true });
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.do === "exit") break;
  const begun = performance.now();
  const reply = await answer(request).catch((error) => ({ error: { type: error.name, message: error.message, kinds: [] } }));
  say({ id: request.id, ms: performance.now() - begun, ...reply });
}
process.exit(0);

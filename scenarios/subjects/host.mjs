// Hosts a class in JavaScript as midpipe's subject: reads requests of the subject protocol (docs/subject-protocol.md) from
// standard input, calls the class, and answers on standard output. Needs Node 18 and no package.
//
//     midpipe gate --subject 'command: node …/host.mjs queue.mjs'
//
// The module exports a class Queue whose constructor takes a Redis URL. Each call takes one object with its arguments;
// the class's static property `accepts` lists their names by call, and its static property `promises` what it promises.
// Further words of the command line are environment variables for the module, as NAME=VALUE. The variable MIDPIPE_CLASS
// names a class other than Queue.
import { createHook } from "node:async_hooks";
import { pathToFileURL } from "node:url";
import readline from "node:readline";

const CALLS = [
  "enqueue", "work", "claim", "heartbeat", "complete", "fail", "give_back", "dequeue", "tick", "get_job", "list_jobs",
  "update_status", "cancel", "depth",
];
const [file, ...variables] = process.argv.slice(2);
const instances = new Map();
const timers = new Map();
createHook({
  init: (id, type, _, resource) => type === "Timeout" && timers.set(id, resource),
  destroy: (id) => timers.delete(id),
}).enable();

// The protocol has standard output to itself; what the subject prints goes to standard error.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);
const say = (message) => new Promise((resolve) => write(`${JSON.stringify(message)}\n`, resolve));
const described = (error) => ({ type: error?.name ?? "Error", message: String(error?.message ?? error), kinds: [error?.name ?? "Error"] });

// Whether nothing is left of the instances that were closed: no connection and no child process. Timers that are left, such
// as that of a time-out which is no longer needed, are cleared. A socket that was closed is gone a moment later.
async function isIdle() {
  const isBusy = () => process.getActiveResourcesInfo().some((name) => !["PipeWrap", "Timeout"].includes(name));
  for (let tries = 0; tries < 50 && isBusy(); tries++) await new Promise((resolve) => setTimeout(resolve, 1));
  for (const timer of timers.values()) clearTimeout(timer);
  return !isBusy();
}

async function perform(Queue, { do: what, client, redis, journal, method, args }) {
  if (what === "call") return { ok: (await instances.get(client)[method](args)) ?? null };
  await instances.get(client)?.close?.();
  instances.delete(client);
  // A process whose instances were all closed before is as clean as one whose last instance is closed now.
  if (what !== "open") return { ok: true, clean: instances.size === 0 && (await isIdle()) };
  if (journal) process.env.MIDPIPE_JOURNAL = journal;
  const queue = new Queue(redis);
  instances.set(client, queue);
  const methods = CALLS.filter((name) => typeof queue[name] === "function");
  return { ok: true, methods, accepts: Queue.accepts ?? {}, promises: Queue.promises ?? {}, background: Queue.background ?? [] };
}

async function main() {
  for (const [name, ...value] of variables.map((word) => word.split("="))) process.env[name] = value.join("=");
  // A library that rejects a promise in the background must not end the host.
  process.on("unhandledRejection", (error) => console.error(error));
  let Queue;
  try {
    Queue = (await import(pathToFileURL(file)))[process.env.MIDPIPE_CLASS ?? "Queue"];
  } catch (error) {
    await say({ ready: false, error: described(error) });
    process.exit(2);
  }
  await say({ ready: true });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.do === "exit") break;
    const begun = performance.now();
    const answer = await perform(Queue, request).catch((error) => ({ error: described(error) }));
    await say({ id: request.id, children: false, ms: performance.now() - begun, ...answer });
  }
  process.exit(0);
}

await main();

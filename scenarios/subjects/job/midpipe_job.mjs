// The body of a job in JavaScript: records in the journal when it starts and when it ends. See midpipe_job.py.
import fs from "node:fs";

const record = (what, jobId) => fs.appendFileSync(process.env.MIDPIPE_JOURNAL, `${what} ${jobId}\n`);

function journal() {
  try {
    return fs.readFileSync(process.env.MIDPIPE_JOURNAL, "utf8");
  } catch {
    return "";
  }
}

/** Run the body of a job; its payload's `body` is succeed (the default), fail, fail-once, die, or sleep with `seconds`. */
export async function run(jobId, payload) {
  const body = payload?.body ?? "succeed";
  const ranBefore = journal().split("\n").includes(`start ${jobId}`);
  record("start", jobId);
  if (body === "fail" || (body === "fail-once" && !ranBefore)) throw new Error(`the body of ${jobId} fails`);
  if (body === "die") process.kill(process.pid, "SIGKILL");
  if (body === "sleep") await new Promise((resolve) => setTimeout(resolve, 1000 * (payload.seconds ?? 0)));
  record("end", jobId);
  return `done ${jobId}`;
}

// Enqueue on Redis from JavaScript, as docs/reference/records.md says: the script, and one argument a job.
//
//   boundary-jobs script > admit.lua        (again after each upgrade of boundary-jobs)
//   npm install
//   node enqueue.mjs send_email '{"to": "ada@example.com"}'
import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { encode } from "@msgpack/msgpack";
import { createClient } from "redis";

const NAMESPACE = process.env.BOUNDARY_JOBS_NAMESPACE ?? "jobs";
const PRIORITY = { critical: 0, high: 1, normal: 2, low: 3 };

/** A job on its way to the script; all of it but the payload is short and plain ASCII. */
function admission(id, type, args, { queue = "default", priority = "normal", maxRetries = 3, delay, runAt } = {}) {
  const lane = Buffer.from(`${queue}:${PRIORITY[priority]}`);
  const kind = Buffer.from(type);
  let how = Buffer.from("r"); // ready at once
  if (runAt !== undefined || delay !== undefined) {
    how = Buffer.alloc(9);
    how.write(runAt !== undefined ? "a" : "d"); // at that instant, or after so many ms
    how.writeBigInt64BE(BigInt(runAt !== undefined ? runAt.getTime() : delay), 1);
  }
  const payload = Buffer.from(encode([1, args, maxRetries]));
  return Buffer.concat([id, how, Buffer.from([lane.length, kind.length]), lane, kind, payload]);
}

const script = readFileSync(new URL("admit.lua", import.meta.url), "utf8");
const client = await createClient({ url: process.env.BOUNDARY_JOBS_URL ?? "redis://localhost:6379" }).connect();
try {
  const format = (await client.get(`{${NAMESPACE}:0}:format`)) ?? "";
  const [version, partitions] = format.split(" ").map(Number);
  if (version !== 1) {
    throw new Error(`${NAMESPACE} has records of format ${JSON.stringify(format)}, and this writes format 1; ` +
      "a worker, or boundary-jobs doctor, makes a new namespace");
  }
  const [type, args, options, uuid = randomUUID()] = process.argv.slice(2);
  const id = Buffer.from(uuid.replaceAll("-", ""), "hex");
  const job = admission(id, type, JSON.parse(args), JSON.parse(options || "{}"));
  const sha = await client.scriptLoad(script);
  const key = (word) => `{${NAMESPACE}:${crc32(id) % partitions}}:${word}`;
  // The first argument is the time, where a test gives one; the second key is for clusters.
  const [, isNew] = await client.evalSha(sha, { keys: [key("job"), key("nothing")], arguments: ["", job] });
  console.log(`${uuid} ${isNew === "1" ? "enqueued" : "was known, and stays as it is"}`);
} finally {
  client.destroy();
}

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The real service with its demo's databases, in a directory of its own. */
export interface Service {
  /** Without a slash at the end. */
  url: string;
  /** Where it keeps everything: its control database, its storage, its databases. */
  dataDirectory: string;
  /** Ends it as Ctrl-C does, waits until it has ended, and removes its directory. */
  stop(): Promise<void>;
}

/** Initialising three database servers and backing them up takes a while on a busy machine. */
const startTimeout = 180_000;
const stopTimeout = 60_000;

/** What the service runs as; `HOLDFAST_BIN` names the program. */
function command(dataDirectory: string): string[] {
  const program = process.env.HOLDFAST_BIN;
  if (!program) {
    throw new Error("HOLDFAST_BIN must name the holdfast program to test (`make test` sets it)");
  }
  return [program, "demo", "--data-dir", dataDirectory, "--listen", "127.0.0.1:0"];
}

/** The address in what the service prints when it is ready. */
const address = /http:\/\/(127\.0\.0\.1|localhost|\[::1\]):\d+/;

export async function startService(): Promise<Service> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "holdfast-e2e-"));
  const [program, ...args] = command(dataDirectory) as [string, ...string[]];
  // Should the test runner be killed, the kernel ends the service, and it its databases.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", program, ...args], {
    cwd: dataDirectory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(String(error)));
    child.once("exit", (code, signal) => resolve(`exit status ${code ?? signal}`));
  });
  let said = "";
  const url = new Promise<string>((resolve) => {
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      const found = address.exec(said);
      if (found) resolve(found[0]);
    };
    // To its end, or a full pipe would stop the service.
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
  });

  const stop = async () => {
    child.kill("SIGINT");
    const how = await Promise.race([ended, after(stopTimeout, "still running")]);
    if (how === "still running") {
      child.kill("SIGKILL");
      await ended;
    }
    await rm(dataDirectory, { recursive: true, force: true });
    if (how !== "exit status 0") {
      throw new Error(`the service did not end as it should on Ctrl-C: ${how}\n${said}`);
    }
  };

  const outcome = await Promise.race([
    url.then((found) => ({ url: found })),
    ended.then((how) => ({ failure: how })),
    after(startTimeout, { failure: `no address after ${startTimeout / 1000} s` }),
  ]);
  if ("failure" in outcome) {
    child.kill("SIGKILL");
    await rm(dataDirectory, { recursive: true, force: true });
    throw new Error(`the service did not start: ${outcome.failure}\n${said}`);
  }
  return { url: outcome.url, dataDirectory, stop };
}

function after<T>(milliseconds: number, value: T): Promise<T> {
  return new Promise((resolve) => {
    // The pending timer must not keep the runner alive.
    setTimeout(() => resolve(value), milliseconds).unref();
  });
}

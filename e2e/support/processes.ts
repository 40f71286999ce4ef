import { spawn } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";

/** A process of a test's own. */
export interface Process {
  /** The line that it was waited for. */
  line: string;
  stop(): Promise<void>;
}

/** Starts a program and waits until it prints a line that fits. The kernel ends it should the test runner be killed. */
export async function start(command: string[], fits: RegExp, environment: NodeJS.ProcessEnv = {}): Promise<Process> {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", ...command], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const line = new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on("line", (text) => {
      said += `${text}\n`;
      if (fits.test(text)) resolve(text);
    });
    child.once("error", reject);
    void ended.then(() => reject(new Error(`${command[0]} ended:\n${said}`)));
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  try {
    return { line: await line, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A port that was free a moment ago, for those who have to know each other's before they start. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

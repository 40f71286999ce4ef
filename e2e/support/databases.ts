import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A database server of the demo, asked past Holdfast: what a test reads here is what is really there. */
export interface Database {
  /** The datastore's name. */
  name: string;
  /** How its backups are made; the table's column *Method*. */
  method: string;
  port: number;
  /** The password of the account that Holdfast uses. */
  password: string;
  /** Runs statements as the server's administrator; gives what they print, without the line's end. */
  run(statements: string): Promise<string>;
}

interface ServerMemory {
  folder: string;
  port: number;
  password: string;
  admin_password: string;
}

const isRoot = process.getuid?.() === 0;

/** The demo's servers, from what it remembers in its directory. */
export function databases(): { postgresql: Database; mariadb: Database; keyValue: Database } {
  const directory = process.env.HOLDFAST_DATA_DIRECTORY;
  if (!directory) throw new Error("the global setup has not started the service");
  const { servers } = JSON.parse(readFileSync(join(directory, "demo.json"), "utf8")) as { servers: ServerMemory[] };
  const server = (folder: string) => {
    const found = servers.find((one) => one.folder === folder);
    if (!found) throw new Error(`the demo has no server in the folder ${folder}`);
    return { ...found, run: join(directory, folder, "run") };
  };
  const postgresql = server("postgresql");
  const mariadb = server("mariadb");
  const keyValue = server("key-value");
  return {
    postgresql: {
      name: "Shop orders",
      method: "pg_basebackup",
      port: postgresql.port,
      password: postgresql.password,
      run: (statements) =>
        client("postgres", ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "shop",
          "-h", postgresql.run, "-p", String(postgresql.port)], statements),
    },
    mariadb: {
      name: "Shop catalogue",
      method: "mariabackup",
      port: mariadb.port,
      password: mariadb.password,
      run: (statements) =>
        client("mysql", ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--socket",
          join(mariadb.run, "socket"), "shop"], statements),
    },
    keyValue: {
      name: "Shop carts",
      method: "rdb",
      port: keyValue.port,
      password: keyValue.password,
      run: (statements) =>
        client("root", ["redis-cli", "-e", "-s", join(keyValue.run, "socket")], statements,
          { REDISCLI_AUTH: keyValue.admin_password }),
    },
  };
}

/** Runs an engine's client with `input`, as root as the system user whom the server lets in. */
function client(user: string, command: string[], input: string, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const [program, ...args] = isRoot && user !== "root" ? ["runuser", "-u", user, "--", ...command] : command;
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, args, { cwd: "/", env: { ...process.env, ...environment } });
    let output = "";
    let complaints = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(output.trimEnd());
      else reject(new Error(`${program} ended with ${code}: ${complaints}\n${output}`));
    });
    // A client that ended early tells why by its exit status.
    child.stdin.on("error", () => undefined);
    child.stdin.end(`${input}\n`);
  });
}

import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A way to the service that can be cut: connections that are open break, new ones are refused. */
export interface Way {
  url: string;
  cut(): Promise<void>;
  mend(): Promise<void>;
}

/** Opens a way to `target` on a port of its own, the same after each mending. */
export async function openWay(target: string): Promise<Way> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect(Number(port), hostname);
    for (const [one, other] of [[incoming, outgoing], [outgoing, incoming]] as const) {
      open.add(one);
      // An end that breaks takes the other along; `close` follows.
      one.on("error", () => undefined);
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  const listen = (on: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(on, "127.0.0.1", () => resolve());
    });
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${own}`,
    cut: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
    mend: () => listen(own),
  };
}

import { request } from "@playwright/test";
import { stopArchiving } from "./service-api.js";
import { startService } from "./service.js";

/** One service for all tests; what is returned ends it. */
export default async function globalSetup(): Promise<() => Promise<void>> {
  const service = await startService();
  process.env.HOLDFAST_URL = service.url;
  process.env.HOLDFAST_DATA_DIRECTORY = service.dataDirectory;
  // Archived logs have backups made by themselves, which tests that look at backups do not expect.
  const api = await request.newContext({ baseURL: service.url });
  const { items } = (await (await api.get("/api/v1/datastores")).json()) as { items: { id: string }[] };
  for (const { id } of items) await stopArchiving(api, id);
  await api.dispose();
  return () => service.stop();
}

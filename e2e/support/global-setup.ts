import { startService } from "./service.js";

/** One service for all tests; what is returned ends it. */
export default async function globalSetup(): Promise<() => Promise<void>> {
  const service = await startService();
  process.env.HOLDFAST_URL = service.url;
  process.env.HOLDFAST_DATA_DIRECTORY = service.dataDirectory;
  return () => service.stop();
}

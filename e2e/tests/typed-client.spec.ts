import createClient from "openapi-fetch";
import type { components, paths } from "../generated/api.js";
import { jobTimeout } from "../support/app.js";
import { databases } from "../support/databases.js";
import { expect, test } from "../support/test.js";

type Backup = components["schemas"]["Backup"];

/** What was answered, which must not be a problem. */
function answered<T>(answer: { data?: T; error?: components["schemas"]["Problem"] }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

test("types that are generated from the document are enough for the main job", async ({ baseURL }) => {
  const api = createClient<paths>({ baseUrl: baseURL as string });
  const server = databases().keyValue;
  const known = answered(await api.GET("/api/v1/datastores")).items.find((one) => one.name === server.name);
  if (!known) throw new Error(`there is no datastore ${server.name}`);
  const body: components["schemas"]["DatastoreCreate"] = {
    name: "From TypeScript",
    engine: known.engine,
    host: known.host,
    port: known.port,
    username: known.username,
    password: server.password,
  };
  const datastore = answered(await api.POST("/api/v1/datastores", { body }));
  const path = { id: datastore.id };
  try {
    expect(datastore.status).toBe("online");
    const again = await api.POST("/api/v1/datastores", { body });
    expect([again.response.status, again.error?.code]).toEqual([409, "name_taken"]);

    const begun: Backup = answered(await api.POST("/api/v1/datastores/{id}/backups", { params: { path }, body: {} }));
    const read = async () => answered(await api.GET("/api/v1/backups/{id}", { params: { path: { id: begun.id } } }));
    await expect.poll(async () => (await read()).status, { timeout: jobTimeout }).toBe("completed");
    expect((await read()).size_bytes).toBeGreaterThan(0);
    const query = { status: "completed", limit: 10 } as const;
    const backups = answered(await api.GET("/api/v1/datastores/{id}/backups", { params: { path, query } }));
    expect(backups.items.map((one) => one.id)).toEqual([begun.id]);

    const recurrence = { recurrence: "TZ=Europe/Berlin 30 4 * * *" };
    const schedule = answered(await api.POST("/api/v1/datastores/{id}/schedules", { params: { path }, body: recurrence }));
    expect(schedule.description).toContain("04:30");
    const schedules = answered(await api.GET("/api/v1/datastores/{id}/schedules", { params: { path } }));
    expect(schedules.items.map((one) => one.id)).toContain(schedule.id);
  } finally {
    await api.DELETE("/api/v1/datastores/{id}", { params: { path, query: { forget_backups: true } } });
  }
});

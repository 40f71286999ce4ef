import { type APIRequestContext, expect } from "@playwright/test";
import { jobTimeout } from "./app.js";

/** What tests prepare through the API, where clicking is not what they are about. */
interface Listed {
  id: string;
  name: string;
  status: string;
  number: number;
  undo_until: string | null;
}

async function list(request: APIRequestContext, path: string): Promise<Listed[]> {
  const answer = await request.get(`/api/v1${path}`);
  expect(answer.status(), path).toBe(200);
  return ((await answer.json()) as { items: Listed[] }).items;
}

/** The id of the datastore with this name. */
export async function datastoreId(request: APIRequestContext, name: string): Promise<string> {
  const found = (await list(request, "/datastores")).find((one) => one.name === name);
  if (!found) throw new Error(`there is no datastore ${name}`);
  return found.id;
}

/** The newest completed backup of a datastore. */
export async function newestBackup(request: APIRequestContext, datastore: string): Promise<{ id: string; number: string }> {
  const [newest] = await list(request, `/datastores/${datastore}/backups?status=completed&limit=1`);
  if (!newest) throw new Error("the demo made no backup");
  return { id: newest.id, number: String(newest.number) };
}

/** Takes a backup and waits for its end; gives its number. */
export async function takeBackup(request: APIRequestContext, datastore: string): Promise<string> {
  const answer = await request.post(`/api/v1/datastores/${datastore}/backups`, { data: {} });
  expect(answer.status()).toBe(202);
  const { id, number } = (await answer.json()) as Listed;
  await untilCompleted(request, `/backups/${id}`);
  return String(number);
}

/** Sees to it that a datastore has a restore that can still be undone. */
export async function haveRestore(request: APIRequestContext, datastore: string, name: string) {
  const restores = await list(request, `/datastores/${datastore}/restores`);
  if (restores.some((one) => one.status === "completed" && one.undo_until)) return;
  const { id } = await newestBackup(request, datastore);
  const answer = await request.post(`/api/v1/backups/${id}/restore`, {
    data: { target: { kind: "in_place" }, confirm: name },
  });
  expect(answer.status()).toBe(202);
  await untilCompleted(request, `/restores/${((await answer.json()) as Listed).id}`);
}

/** What tests look at of a schedule. */
export interface Schedule {
  id: string;
  recurrence: string;
  status: string;
}

export async function scheduleList(request: APIRequestContext, datastore: string): Promise<Schedule[]> {
  const answer = await request.get(`/api/v1/datastores/${datastore}/schedules`);
  expect(answer.status()).toBe(200);
  return ((await answer.json()) as { items: Schedule[] }).items;
}

/** Sees to it that a datastore has these schedules, active and new, and no others. */
export async function haveSchedules(request: APIRequestContext, datastore: string, ...recurrences: string[]): Promise<Schedule[]> {
  for (const { id } of await scheduleList(request, datastore)) {
    expect((await request.delete(`/api/v1/schedules/${id}`)).status()).toBe(204);
  }
  const made: Schedule[] = [];
  for (const recurrence of recurrences) {
    const answer = await request.post(`/api/v1/datastores/${datastore}/schedules`, { data: { recurrence } });
    expect(answer.status(), await answer.text()).toBe(201);
    made.push((await answer.json()) as Schedule);
  }
  return made;
}

async function untilCompleted(request: APIRequestContext, path: string) {
  const status = async () => ((await (await request.get(`/api/v1${path}`)).json()) as Listed).status;
  await expect.poll(status, { timeout: jobTimeout }).toMatch(/completed|failed|cancelled/);
  expect(await status()).toBe("completed");
}

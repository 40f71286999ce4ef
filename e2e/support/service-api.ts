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
  // Archived logs have a backup made by themselves, which may be under way.
  let begun: Listed | undefined;
  const begin = async () => {
    const answer = await request.post(`/api/v1/datastores/${datastore}/backups`, { data: {} });
    if (answer.status() === 202) begun = (await answer.json()) as Listed;
    return answer.status();
  };
  await expect.poll(begin, { timeout: jobTimeout }).toBe(202);
  const { id, number } = begun as Listed;
  await untilCompleted(request, `/backups/${id}`);
  return String(number);
}

/** Switches log archiving off, and waits until nothing that it asked for is under way. */
export async function stopArchiving(request: APIRequestContext, datastore: string) {
  const address = `/api/v1/datastores/${datastore}/backup-settings`;
  const settings = (await (await request.get(address)).json()) as { log_archiving: boolean };
  if (settings.log_archiving) {
    const answer = await request.put(address, { data: { ...settings, log_archiving: false, retention: withoutWindow(settings) } });
    expect(answer.status()).toBe(200);
  }
  const active = async () => {
    const read = (await (await request.get(`/api/v1/datastores/${datastore}`)).json()) as { overview: { active_job: unknown } };
    return read.overview.active_job;
  };
  await expect.poll(active, { timeout: jobTimeout }).toBeNull();
}

/** A window needs archived logs. */
function withoutWindow(settings: object) {
  const { retention } = settings as { retention: Record<string, unknown> };
  return { ...retention, point_in_time_window_days: null };
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

/** What tests look at of a backup. */
export interface Backup {
  id: string;
  number: number;
  status: string;
  held: string | null;
}

/** The completed backups of a datastore, the newest first. */
export async function backupList(request: APIRequestContext, datastore: string): Promise<Backup[]> {
  const answer = await request.get(`/api/v1/datastores/${datastore}/backups?status=completed&limit=200`);
  expect(answer.status()).toBe(200);
  return ((await answer.json()) as { items: Backup[] }).items;
}

/** Sees to it that a datastore has at least so many completed backups, keeps them all, and holds none. */
export async function haveBackups(request: APIRequestContext, datastore: string, count: number): Promise<Backup[]> {
  await keepForEver(request, datastore);
  for (let had = (await backupList(request, datastore)).length; had < count; had++) await takeBackup(request, datastore);
  const backups = await backupList(request, datastore);
  for (const { id } of backups.filter((one) => one.held !== null)) {
    expect((await request.delete(`/api/v1/backups/${id}/hold`)).status()).toBe(200);
  }
  return backups;
}

/** Takes all rules away from a datastore's retention. */
export async function keepForEver(request: APIRequestContext, datastore: string) {
  const path = `/api/v1/datastores/${datastore}/backup-settings`;
  const settings = (await (await request.get(path)).json()) as Record<string, unknown>;
  const answer = await request.put(path, { data: { ...settings, retention: { minimum_good_backups: 2 } } });
  expect(answer.status(), await answer.text()).toBe(200);
}

export async function holdBackup(request: APIRequestContext, id: string, reason: string) {
  expect((await request.put(`/api/v1/backups/${id}/hold`, { data: { reason } })).status()).toBe(200);
}

async function untilCompleted(request: APIRequestContext, path: string) {
  const status = async () => ((await (await request.get(`/api/v1${path}`)).json()) as Listed).status;
  await expect.poll(status, { timeout: jobTimeout }).toMatch(/completed|failed|cancelled/);
  expect(await status()).toBe("completed");
}

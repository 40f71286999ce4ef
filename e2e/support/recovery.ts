import type { APIRequestContext, Page, Request } from "@playwright/test";
import { datastoreId, newestBackup } from "./service-api.js";

/** The moment at which the made-up datastore is looked at: the morning after Berlin's clocks were set back. */
export const now = "2026-10-25T09:00:12Z";

/** Ends of its backups, the newest first; the last but one lies on a line of history that was left. */
export const backupEnds = ["2026-10-25T06:00:04.5Z", "2026-10-24T18:00:03Z", "2026-10-24T12:00:03Z", "2026-10-24T06:00:03Z"] as const;

/** What a service would say of a datastore whose logs are archived. */
export interface Archived {
  id: string;
  /** The ids of the backups, in the order of `backupEnds`. */
  backups: string[];
  /** What the page sent to start a restore. */
  sent: unknown[];
  /** The queries with which it asked for plans. */
  plans: string[];
  /** The bodies of its log scans. */
  scans: unknown[];
}

export interface Alter {
  status?: string;
  code?: string | null;
  detail?: string | null;
  warnings?: string[];
  scan?: object;
  supported?: boolean;
}

const uuid = (number: number) => `0193a000-0000-7000-8000-${String(number).padStart(12, "0")}`;

/** Makes the service's answers about a datastore those of one whose logs are archived, with a gap and a line that was left. */
export async function archiveLogs(page: Page, request: APIRequestContext, name: string, alter: Alter = {}): Promise<Archived> {
  const id = await datastoreId(request, name);
  const { id: real } = await newestBackup(request, id);
  const model = (await (await request.get(`/api/v1/backups/${real}`)).json()) as Record<string, unknown>;
  const engine = ((await (await request.get(`/api/v1/datastores/${id}`)).json()) as { engine: string }).engine;
  const backups = backupEnds.map((_, index) => uuid(100 + index));
  const items = backupEnds.map((ended_at, index) => ({
    ...model,
    id: backups[index],
    number: 14 - index,
    type: index === 0 ? "incremental" : "full",
    parent_id: index === 0 ? backups[1] : null,
    started_at: ended_at.replace(/:0[34](\.5)?Z/, ":00Z"),
    ended_at,
    held: null,
    deleting: false,
  }));
  const archived: Archived = { id, backups, sent: [], plans: [], scans: [] };
  const status = alter.status ?? "archiving";

  await page.clock.setFixedTime(new Date(now));
  const altered = (datastore: { id: string; capabilities: object; overview: object; findings: unknown[] }) =>
    datastore.id !== id
      ? datastore
      : {
          ...datastore,
          findings: [],
          capabilities: { ...datastore.capabilities, point_in_time_recovery: true, point_in_time_recovery_reason: null },
          overview: { ...datastore.overview, log_archiving: status, recoverable_until: "2026-10-25T09:00:00Z" },
        };
  await page.route(`**/api/v1/datastores/${id}`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: altered(await answer.json()) });
  });
  await page.route("**/api/v1/datastores?*", async (route) => {
    const answer = await route.fetch();
    const list = (await answer.json()) as { items: Parameters<typeof altered>[0][] };
    await route.fulfill({ response: answer, json: { ...list, items: list.items.map(altered) } });
  });
  await page.route(new RegExp(`/api/v1/datastores/${id}/backups(\\?.*)?$`), (route) =>
    route.fulfill({ json: { items, total: items.length, next_cursor: null } }));
  await page.route(`**/api/v1/datastores/${id}/recovery-window`, (route) =>
    route.fulfill({
      json: {
        supported: true,
        reason: null,
        windows: [
          { from: backupEnds[3], to: "2026-10-24T09:30:00Z", backup_id: backups[3], branch: "origin" },
          { from: backupEnds[2], to: "2026-10-24T15:00:00Z", backup_id: backups[2], branch: "origin" },
          { from: backupEnds[1], to: "2026-10-25T09:00:00Z", backup_id: backups[1], branch: uuid(7) },
        ],
        gaps: [{ from: "2026-10-24T09:30:00Z", to: "2026-10-24T12:00:03Z", reason: "The server had removed the segments before they were archived.", branch: "origin" }],
        latest_restorable_time: "2026-10-25T09:00:00Z",
        precision_seconds: engine === "mariadb" ? 1 : 0.000001,
        log_archiving: {
          status,
          worker: "local",
          code: alter.code ?? null,
          detail: alter.detail ?? null,
          complete_until: "2026-10-25T09:00:00Z",
          last_commit_at: "2026-10-25T08:59:41Z",
          lag_bytes: 1_258_291,
          warnings: alter.warnings ?? [],
        },
        branches: [
          { branch: "origin", restore_id: null, parent: null, from: "2026-10-20T06:00:00Z", to: "2026-10-24T15:00:00Z", restored_to: null, is_current: false },
          { branch: uuid(7), restore_id: uuid(7), parent: "origin", from: "2026-10-24T15:00:00Z", to: null, restored_to: null, is_current: true },
        ],
      },
    }));
  await page.route("**/api/v1/backups/*/restore-plan*", (route) => {
    const query = new URL(route.request().url()).searchParams;
    archived.plans.push(query.toString());
    const replays = query.size > 0;
    return route.fulfill({
      json: {
        chain: [13, 14],
        fetch_bytes: 5_242_880,
        unpacked_bytes: 31_457_280,
        links_bytes: 0,
        log_segments: replays ? 12 : 0,
        log_bytes: replays ? 188_743_680 : 0,
        needed_bytes: 100_000_000,
        free_bytes: 10_000_000_000,
        estimated_seconds: 34,
        estimated_downtime_seconds: 3,
        obstacles: [],
      },
    });
  });
  await page.route("**/api/v1/backups/*/restore", (route) => {
    archived.sent.push(body(route.request()));
    return route.fulfill({
      status: 202,
      json: {
        id: uuid(9), datastore_id: id, backup_id: real, backup_number: 14, target: { kind: "in_place" }, pitr_stop_time: null,
        pitr_stop_position: null, reached_position: null, reached_commit_at: null, status: "pending", phase: "checking",
        job_id: model.job_id, progress: null, created_at: now, started_at: null, ended_at: null, duration_seconds: null,
        downtime_seconds: null, undo_until: null, error: null,
      },
    });
  });
  await page.route(`**/api/v1/datastores/${id}/log-scan`, (route) => {
    archived.scans.push(body(route.request()));
    return route.fulfill({ json: alter.scan ?? { entries: [], truncated: false, transactions: 0 } });
  });
  return archived;
}

function body(request: Request): unknown {
  return request.postDataJSON() as unknown;
}

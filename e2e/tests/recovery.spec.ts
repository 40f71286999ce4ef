import { openActions, openRestoreDialog } from "../support/app.js";
import { databases } from "../support/databases.js";
import { type Archived, archiveLogs } from "../support/recovery.js";
import { datastoreId } from "../support/service-api.js";
import { expect, expectWellMade, type Page, test } from "../support/test.js";

const orders = () => databases().postgresql.name;
const catalogue = () => databases().mariadb.name;

const dialog = (page: Page) => page.getByRole("dialog", { name: "Restore a backup" });
const toggle = (page: Page) => dialog(page).getByRole("switch", { name: "Use point in time recovery" });
const warning = (page: Page) => dialog(page).getByRole("group", { name: "You are going to restore a backup" });
const restore = (page: Page) => dialog(page).getByRole("button", { name: "Restore", exact: true });
const instant = (page: Page) => dialog(page).getByLabel(/^Instant in /);
const confirm = (page: Page, name: string) => dialog(page).getByRole("textbox", { name: `Type ${name} to confirm` });

/** What a log scan finds: in MariaDB's words. */
const found = {
  entries: [
    {
      kind: "schema_change", committed_at: "2026-10-25T08:41:07Z", summary: "DROP TABLE `shop`.`orders`", rows: null, log_bytes: 142,
      transaction: "0-1-4711", stop_before: { gtid: "0-1-4711", before: true }, stop_after: { gtid: "0-1-4711", before: false },
    },
    {
      kind: "large_delete", committed_at: "2026-10-25T08:41:09Z", summary: "shop.reviews: 12000 rows deleted", rows: 12_000, log_bytes: 1_310_720,
      transaction: "0-1-4712", stop_before: { gtid: "0-1-4712", before: true }, stop_after: { gtid: "0-1-4712", before: false },
    },
  ],
  truncated: true,
  transactions: 841,
};

async function openRecovery(page: Page, archived: Archived) {
  await page.goto(`/datastores/${archived.id}/recovery`);
  await expect(page.getByRole("img", { name: /^What can be restored/ })).toBeVisible();
}

async function openDialog(page: Page, archived: Archived, number: string) {
  await page.goto(`/datastores/${archived.id}/backups`);
  await openRestoreDialog(page, number);
}

test("a restore goes to the instant that was typed, sent with its offset", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, orders());
  await openDialog(page, archived, "14");
  await expect(toggle(page)).not.toBeChecked();
  await expect(warning(page)).toContainText("You are about to restore a backup created on 25/10/2026 06:00 UTC");
  await toggle(page).check();
  await expect(dialog(page).getByRole("radio", { name: "Point in time" })).toBeChecked();
  await expect(instant(page), "the newest comes first").toHaveValue(/^2026-10-25T10:00(:00)?$/);
  await expect(instant(page)).toHaveAttribute("max", "2026-10-25T10:00:00");

  await instant(page).fill("2026-10-25T09:57:01");
  await dialog(page).getByRole("textbox", { name: "Fraction of the second" }).fill("25");
  await expect(warning(page)).toContainText("restore backup 14 and replay the log up to 2026-10-25 08:57:01.25 UTC, 3 min 11 s ago");
  await expect(warning(page)).toContainText("everything committed after that instant will be lost");
  await expect(warning(page)).toContainText("In your zone: 2026-10-25 09:57:01.25 UTC+01:00");
  await expect(warning(page)).toContainText("a later restore can go there as long as retention keeps it");
  await expect(dialog(page).getByText("Replays 12 log segments, 180.00 MiB")).toBeVisible();
  await expect(dialog(page).getByText("Backup 13 with increment 14")).toBeVisible();
  expect(archived.plans.at(-1)).toBe("pitr_stop_time=2026-10-25T08%3A57%3A01.250Z");
  expect(archived.plans.filter((plan) => plan.includes("57%3A01Z")).length, "not one for each key").toBeLessThan(2);

  await expect(restore(page)).toBeDisabled();
  await confirm(page, orders()).fill(orders());
  await expect(restore(page)).toBeEnabled();
  await restore(page).click();
  await expect(dialog(page)).toBeHidden();
  expect(archived.sent).toEqual([
    { target: { kind: "in_place" }, pitr_stop_time: "2026-10-25T08:57:01.250Z", pitr_stop_position: null, confirm: orders(), restore_configuration: false },
  ]);
});

test("the latest is a choice of its own, and no choice means exactly the backup", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, orders());
  await openDialog(page, archived, "14");
  await confirm(page, orders()).fill(orders());
  await toggle(page).check();
  await dialog(page).getByText("Latest", { exact: true }).click();
  await expect(warning(page)).toContainText("replay all of the archived log, which reaches to 2026-10-25 09:00:00 UTC, 12 s ago");
  await expect(restore(page)).toBeEnabled();
  expect(archived.plans.at(-1)).toBe("pitr_stop_time=latest");
  await toggle(page).uncheck();
  await expect(restore(page)).toBeEnabled();
  expect(archived.plans.at(-1)).toBe("");
  await toggle(page).check();
  await expect(restore(page)).toBeEnabled();
  await restore(page).click();
  await expect(dialog(page)).toBeHidden();
  expect(archived.sent).toMatchObject([{ pitr_stop_time: "latest", pitr_stop_position: null }]);
});

test("what the log does not hold is refused with the nearest that it does", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, orders());
  await openDialog(page, archived, "14");
  await confirm(page, orders()).fill(orders());
  await toggle(page).check();
  await expect(restore(page)).toBeEnabled();
  for (const [value, why, near, taken] of [
    ["2026-10-25T10:00:05", "The archived log does not reach so far yet.", "2026-10-25 10:00:00", "2026-10-25T09:00:00Z"],
    ["2026-10-25T11:30:05", "This is in the future.", "2026-10-25 10:00:00", "2026-10-25T09:00:00Z"],
    ["2026-10-25T07:00:04", "Nothing reaches back so far.", "2026-10-25 07:00:04.5", "2026-10-25T06:00:04.500Z"],
  ] as const) {
    await instant(page).fill(value);
    await expect(instant(page)).toHaveAccessibleDescription(new RegExp(why));
    await expect(instant(page)).toHaveAttribute("aria-invalid", "true");
    await expect(restore(page)).toBeDisabled();
    await expect(warning(page)).toContainText("Choose where the restore stops");
    await dialog(page).getByRole("button", { name: near, exact: true }).click();
    await expect(instant(page)).toHaveAttribute("aria-invalid", "false");
    await expect(restore(page)).toBeEnabled();
    expect(archived.plans.at(-1)).toBe(`pitr_stop_time=${encodeURIComponent(taken)}`);
  }
  await instant(page).fill("");
  await expect(instant(page)).toHaveAccessibleDescription(/Enter a whole date and time/);
});

test("clocks that are set: both instants of a time shown twice, none of a time skipped", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, catalogue());
  await openDialog(page, archived, "13");
  await confirm(page, catalogue()).fill(catalogue());
  await toggle(page).check();
  await expect(dialog(page).getByText("MariaDB's log carries whole seconds")).toBeVisible();
  await expect(dialog(page).getByRole("textbox", { name: "Fraction of the second" })).toHaveCount(0);
  await instant(page).fill("2026-10-25T02:30:15");
  const both = dialog(page).getByRole("group", { name: "Your clocks showed this time twice. Which one?" });
  await expect(both.getByRole("radio", { name: "The first, at UTC+02:00: 2026-10-25 00:30:15 UTC" })).toBeChecked();
  await expect(warning(page)).toContainText("2026-10-25 00:30:15 UTC");
  await both.getByRole("radio", { name: "The second, at UTC+01:00: 2026-10-25 01:30:15 UTC" }).check();
  await expect(warning(page)).toContainText("2026-10-25 01:30:15 UTC");
  await expect(warning(page)).toContainText("In your zone: 2026-10-25 02:30:15 UTC+01:00");
  await expect(warning(page)).toContainText("everything committed from that second on will be lost");
  await expect(restore(page)).toBeEnabled();
  await expectWellMade(page);
  await restore(page).click();
  await expect(dialog(page)).toBeHidden();
  expect(archived.sent).toMatchObject([{ pitr_stop_time: "2026-10-25T01:30:15Z" }]);

  await openDialog(page, archived, "13");
  await toggle(page).check();
  await instant(page).fill("2026-03-29T02:30:15");
  await expect(instant(page)).toHaveAccessibleDescription(/Your clocks skipped this time/);
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "UTC", exact: true }).click();
  await openActions(page, "13").then((menu) => menu.getByRole("menuitem", { name: "Restore" }).click());
  await toggle(page).check();
  await expect(dialog(page).getByLabel("Instant in UTC")).toHaveValue(/^2026-10-25T09:00(:00)?$/);
  await page.evaluate(() => localStorage.clear());
});

test("a backup without a window says why, and Redis or Valkey offers nothing", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, orders());
  await page.route(`**/api/v1/datastores/${archived.id}/recovery-window`, (route) =>
    route.fulfill({ json: { supported: true, reason: null, windows: [], gaps: [], latest_restorable_time: null, precision_seconds: 0.000001, branches: [],
      log_archiving: { status: "off", worker: null, code: null, detail: null, complete_until: null, last_commit_at: null, lag_bytes: null, warnings: [] } } }));
  await openDialog(page, archived, "14");
  await expect(toggle(page)).toBeDisabled();
  await expect(toggle(page)).toHaveAccessibleDescription(/no archived logs to replay. Switch log archiving on in its settings/);
  await page.goto(`/datastores/${archived.id}/recovery`);
  await expect(page.getByRole("heading", { name: "Log archiving is off" })).toBeVisible();
  await page.getByRole("link", { name: "Switch on log archiving" }).click();
  await expect(page.getByRole("switch", { name: "Archive logs continuously" })).toBeEnabled();

  const carts = await datastoreId(request, databases().keyValue.name);
  await page.goto(`/datastores/${carts}/recovery`);
  await expect(page.getByRole("heading", { name: "No point-in-time recovery" })).toBeVisible();
  await expectWellMade(page);
});

test("the page tells what can be restored, and restores to a chosen instant from the nearest backup", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, orders(), { warnings: ["The replication slot holds back 12.00 GiB of the server's log."] });
  await openRecovery(page, archived);
  const picture = page.getByRole("img", { name: /^What can be restored/ });
  await expect(picture).toHaveAccessibleDescription(/Now: any instant from 2026-10-24 20:00:03 to 2026-10-25 10:00:00/);
  await expect(picture).toHaveAccessibleDescription(/Until the restore of 2026-10-24 17:00:00: any instant from/);
  await expect(page.getByRole("list", { name: "Gaps" })).toContainText(
    "No log from 2026-10-24 11:30:00 to 2026-10-24 14:00:03. The server had removed the segments before they were archived.");
  await expect(page.getByText("1.20 MiB not archived yet")).toBeVisible();
  await expect(page.getByText("The replication slot holds back")).toBeVisible();

  const readout = page.getByRole("figure", { name: "Timeline" }).getByRole("status");
  await page.getByRole("button", { name: "Earlier backup" }).click();
  await expect(readout).toHaveText("Backup 14, incremental, ended 2026-10-25 07:00:04");
  await page.getByRole("button", { name: "Earlier backup" }).click();
  await expect(readout).toHaveText("Backup 13, full, ended 2026-10-24 20:00:03");

  // The track of now is the first; past the middle of the picture lies the night.
  const box = await picture.boundingBox();
  if (!box) throw new Error("the picture is not there");
  await picture.click({ position: { x: box.width * 0.7, y: 32 } });
  const at = page.getByLabel(/^Instant in your zone/);
  await expect(at).toHaveValue(/^2026-10-25T0[2-6]:/);
  await picture.click({ position: { x: box.width * 0.18, y: 82 } });
  await expect(at, "in the gap nothing is chosen").toHaveValue(/^2026-10-25T0[2-6]:/);
  await picture.click({ position: { x: box.width * 0.05, y: 82 } });
  await expect(at).toHaveValue(/^2026-10-24T0[89]:/);
  await expect(page.getByRole("combobox", { name: "Line of history" })).toHaveValue("origin");
  await page.getByRole("combobox", { name: "Line of history" }).selectOption("What the server holds now");
  await page.getByText("6 h", { exact: true }).click();
  await expect(page.getByRole("button", { name: "Earlier", exact: true })).toBeVisible();

  await at.fill("2026-10-25T06:59:59");
  await page.getByRole("button", { name: "Restore to this instant" }).click();
  await expect(dialog(page).getByText("Backup ID").locator("..")).toContainText("13");
  await expect(toggle(page)).toBeChecked();
  await expect(warning(page)).toContainText("up to 2026-10-25 05:59:59 UTC");
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await at.fill("2026-10-25T07:30:30");
  await page.getByRole("button", { name: "Restore to this instant" }).click();
  await expect(dialog(page).getByText("Backup ID").locator("..")).toContainText("14");
  await confirm(page, orders()).fill(orders());
  await restore(page).click();
  await expect(dialog(page)).toBeHidden();
  expect(archived.sent).toMatchObject([{ pitr_stop_time: "2026-10-25T06:30:30Z" }]);
});

test("a mistake is found in the log, and the restore stops just before it", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, catalogue(), { scan: found });
  await openRecovery(page, archived);
  await expect(page.getByLabel("From", { exact: true })).toHaveValue(/^2026-10-25T09:00/);
  await page.getByRole("checkbox", { name: "Every transaction" }).check();
  await page.getByRole("button", { name: "Find changes" }).click();
  const changes = page.getByRole("table", { name: "Changes" });
  await expect(changes.getByRole("row").nth(1)).toContainText("Schema change");
  expect(archived.scans).toEqual([{ from: "2026-10-25T08:00:00Z", to: "2026-10-25T09:00:00.999999Z", all_transactions: true }]);
  await expect(page.getByText("2 found among 841 transactions.")).toBeVisible();
  await expect(page.getByText("There was more than is listed.")).toBeVisible();
  await expectWellMade(page);

  await page.getByRole("button", { name: "Restore to just before 0-1-4711" }).click();
  await expect(dialog(page).getByRole("radio", { name: "Position" })).toBeChecked();
  await expect(dialog(page)).toContainText("DROP TABLE `shop`.`orders`");
  await expect(warning(page)).toContainText("just before transaction 0-1-4711, committed at 2026-10-25 08:41:07 UTC, 19 min 05 s ago");
  await expectWellMade(page);
  await confirm(page, catalogue()).fill(catalogue());
  await expect(restore(page)).toBeEnabled();
  expect(JSON.parse(new URLSearchParams(archived.plans.at(-1)).get("pitr_stop_position") ?? "")).toEqual({ gtid: "0-1-4711", before: true });
  await restore(page).click();
  await expect(dialog(page)).toBeHidden();
  expect(archived.sent).toMatchObject([{ pitr_stop_time: null, pitr_stop_position: { gtid: "0-1-4711", before: true } }]);
});

test("the way to an instant with the keyboard alone", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, orders());
  await openDialog(page, archived, "14");
  await toggle(page).focus();
  await page.keyboard.press("Space");
  await expect(toggle(page)).toBeChecked();
  await page.keyboard.press("Tab");
  await expect(dialog(page).getByRole("radio", { name: "Point in time" })).toBeFocused();
  await page.keyboard.press("ArrowRight");
  await expect(dialog(page).getByRole("radio", { name: "Latest" })).toBeChecked();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Tab");
  await expect(instant(page)).toBeFocused();
  // Day, month and year stay; one hour earlier.
  for (let part = 0; part < 3; part++) await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await expect(instant(page)).toHaveValue(/^2026-10-25T09:00/);
  await expect(warning(page)).toContainText("up to 2026-10-25 08:00:00 UTC");
  const zoom = dialog(page).getByRole("radio", { name: "All" });
  for (let presses = 0; presses < 10 && !(await zoom.evaluate((radio) => radio === document.activeElement)); presses++) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("ArrowLeft");
  await expect(dialog(page).getByRole("radio", { name: "30 d" })).toBeChecked();
  const typed = confirm(page, orders());
  for (let presses = 0; presses < 10 && !(await typed.evaluate((field) => field === document.activeElement)); presses++) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.type(orders());
  await expect(restore(page)).toBeEnabled();
  await page.keyboard.press("Enter");
  await expect(dialog(page)).toBeHidden();
  expect(archived.sent).toMatchObject([{ pitr_stop_time: "2026-10-25T08:00:00Z" }]);
});

test("the list and the head say up to when, and when that is in doubt", async ({ page, request }) => {
  await archiveLogs(page, request, orders());
  const row = page.getByRole("table", { name: "Datastores" }).getByRole("row").filter({ hasText: orders() });
  await page.goto("/");
  await expect(row).toContainText("Recoverable to 12 s ago");
  await expect(row).toContainText("Backup ");
  await page.unrouteAll();
  const stopped = await archiveLogs(page, request, orders(), { status: "stopped", code: "log_gap", detail: "Segment 000000010000000000000007 is gone from the server." });
  await page.goto("/");
  await expect(row).toContainText("Log archiving has stopped, recoverable to 12 s ago");
  await expectWellMade(page);
  await openRecovery(page, stopped);
  await expect(page.getByText("Segment 000000010000000000000007 is gone")).toBeVisible();
  await expect(page.locator(".page-head")).toContainText("Log archiving has stopped");
  await expectWellMade(page);
});

test.describe("refusals", () => {
  test.use({ expectedComplaints: [/status of (422|503)/] });

  test("a log that no backup leads into, a scan that fails, and a plan that is refused say what to do", async ({ page, request }) => {
    const archived = await archiveLogs(page, request, orders());
    const answer = (code: string, title: string, detail: string, status: number) => ({
      status, contentType: "application/problem+json", json: { type: `about:${code}`, title, status, detail, instance: "/api/v1/made-up", code, errors: [] },
    });
    await page.route(`**/api/v1/datastores/${archived.id}/log-scan`, (route) =>
      route.fulfill(answer("no_worker", "No worker", "No worker answered in time. Choose a shorter span, or try again later.", 503)));
    await openRecovery(page, archived);
    await page.getByRole("button", { name: "Find changes" }).click();
    await expect(page.getByRole("alert")).toContainText("Choose a shorter span");

    await page.route("**/api/v1/backups/*/restore-plan?pitr*", (route) =>
      route.fulfill(answer("pitr_time_not_covered", "No logs cover the stop time", "No archived log reaches from backup 14 to 2026-10-25T08:57:01Z.", 422)));
    await page.getByRole("button", { name: "Restore to this instant" }).click();
    await confirm(page, orders()).fill(orders());
    await expect(dialog(page).getByRole("alert")).toContainText("No archived log reaches from backup 14");
    await expect(restore(page)).toBeDisabled();
    await toggle(page).uncheck();
    await expect(restore(page), "exactly the backup still can be").toBeEnabled();
    await dialog(page).getByRole("button", { name: "Cancel" }).click();

    await page.route(`**/api/v1/datastores/${archived.id}/recovery-window`, async (route) => {
      const archiving = { status: "archiving", worker: "local", code: null, detail: null, complete_until: "2026-10-25T09:00:00Z", last_commit_at: null, lag_bytes: 0, warnings: [] };
      await route.fulfill({ json: { supported: true, reason: null, windows: [], gaps: [], latest_restorable_time: null, precision_seconds: 0.000001, branches: [], log_archiving: archiving } });
    });
    await page.goto(`/datastores/${archived.id}/recovery`);
    await expect(page.getByText("No backup leads into the archived log here yet.")).toBeVisible();
    await expect(page.getByText("Nothing yet")).toBeVisible();
    await expect(page.getByRole("button", { name: "Restore to this instant" })).toBeHidden();
    await expectWellMade(page);
  });
});

test("settings and history speak of logs", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, orders());
  const settings = `**/api/v1/datastores/${archived.id}/backup-settings`;
  let saved: Record<string, unknown> = {};
  await page.route(settings, async (route) => {
    if (route.request().method() === "PUT") saved = route.request().postDataJSON() as typeof saved;
    const known = route.request().method() === "PUT" ? saved : ((await (await route.fetch()).json()) as object);
    await route.fulfill({ json: { ...known, log_archiving: saved.log_archiving ?? false } });
  });
  await page.goto(`/datastores/${archived.id}/settings`);
  const archiving = page.getByRole("switch", { name: "Archive logs continuously" });
  await expect(archiving).toBeEnabled();
  const section = page.getByRole("region", { name: "Log archiving" });
  await expect(section).toContainText("every 5 s");
  await expect(section).toContainText("Recoverable to 12 s ago");
  await archiving.check();
  await page.getByRole("textbox", { name: "Point-in-time window, days" }).fill("7");
  await expectWellMade(page);
  await shot(page, "settings");
  await page.getByRole("button", { name: "Save backup settings" }).click();
  await expect(page.getByText("Saved.", { exact: true })).toBeVisible();
  expect(saved).toMatchObject({ log_archiving: true, retention: { point_in_time_window_days: 7 } });

  const one = { id: archived.backups[0], datastore_id: archived.id, backup_id: archived.backups[0], target: { kind: "in_place" }, status: "completed", phase: "done",
    job_id: archived.backups[0], progress: null, created_at: "2026-10-25T08:00:00Z", started_at: "2026-10-25T08:00:00Z", ended_at: "2026-10-25T08:00:34Z",
    duration_seconds: 34, downtime_seconds: 3, undo_until: null, error: null };
  const stops = [
    { pitr_stop_time: "2026-10-25T06:30:30.25Z", pitr_stop_position: null, reached_position: "0/3000028", reached_commit_at: "2026-10-25T06:30:29.5Z" },
    { pitr_stop_time: "latest", pitr_stop_position: null, reached_position: null, reached_commit_at: null },
    { pitr_stop_time: null, pitr_stop_position: { gtid: "0-1-4711", before: true }, reached_position: "0-1-4710", reached_commit_at: null },
  ];
  const items = stops.map((stop, index) => ({ ...one, ...stop, id: archived.backups[index], backup_number: 14 - index }));
  await page.route(`**/api/v1/datastores/${archived.id}/restores*`, (route) => route.fulfill({ json: { items, total: 3, next_cursor: null } }));
  await page.goto(`/datastores/${archived.id}/restores`);
  const row = (index: number) => page.getByRole("table", { name: "Restores" }).locator("tr.main").nth(index);
  await expect(row(0)).toContainText("to 2026-10-25 07:30:30.25");
  await expect(row(0)).toContainText("Reached 0/3000028, last commit 2026-10-25 07:30:29");
  await expect(row(1)).toContainText("to the latest");
  await expect(row(2)).toContainText("to just before transaction 0-1-4711");
  await expectWellMade(page);
  await shot(page, "restores");
});

for (const width of [1440, 390]) {
  test(`page and dialog are well made, ${width} wide`, async ({ page, request }) => {
    await page.setViewportSize({ width, height: 900 });
    const archived = await archiveLogs(page, request, orders(), { scan: found });
    await openRecovery(page, archived);
    await page.getByRole("button", { name: "Find changes" }).click();
    await expect(page.getByRole("table", { name: "Changes" })).toBeVisible();
    await expectWellMade(page);
    await shot(page, `page-${width}`);
    await page.getByText("6 h", { exact: true }).click();
    await expectWellMade(page);

    await openDialog(page, archived, "14");
    await toggle(page).check();
    await expect(dialog(page).getByText("Replays 12 log segments, 180.00 MiB")).toBeVisible();
    await expect(dialog(page)).toMatchAriaSnapshot(`
      - dialog "Restore a backup":
        - heading "Restore a backup" [level=2]
        - button "Close"
        - group "Backup, settings and plan":
          - heading "Backup info" [level=3]
          - term: Backup ID
          - definition: "14"
          - term: Type
          - definition: incremental
          - term: Size
          - definition: /MiB|KiB/
          - term: Method
          - definition: pg_basebackup
          - term: Taken
          - definition:
            - time: "2026-10-25 07:00:00"
          - heading "Restore settings" [level=3]
          - text: Use point in time recovery
          - switch "Use point in time recovery" [checked]
          - group "Where it stops":
            - radio "Point in time" [checked]
            - text: Point in time
            - radio "Latest"
            - text: Latest
          - text: Instant in your zone, Europe/Berlin
          - textbox "Instant in your zone, Europe/Berlin"
          - text: Fraction of the second
          - textbox "Fraction of the second"
          - paragraph: /09:00:00 UTC/
          - figure "Timeline":
            - group "Zoom":
              - radio "All" [checked]
            - img /What can be restored/
          - heading "Plan" [level=3]
          - term: Restored from
          - definition: Backup 13 with increment 14
          - term: Log
          - definition: Replays 12 log segments, 180.00 MiB
        - group "You are going to restore a backup":
          - heading "You are going to restore a backup" [level=3]
          - paragraph: /You are about to restore backup 14 and replay the log up to 2026-10-25 09:00:00 UTC/
          - paragraph: /In your zone/
        - text: Type Shop orders to confirm
        - textbox "Type Shop orders to confirm"
        - button "Cancel"
        - button "Restore" [disabled]
    `);
    await expectWellMade(page);
    await shot(page, `dialog-${width}`);
    await instant(page).fill("2026-10-25T10:30:05");
    await expect(dialog(page).getByText("This is in the future.")).toBeVisible();
    await expectWellMade(page);
  });
}

/** Pictures to look at, where somebody asked for them. */
async function shot(page: Page, name: string) {
  const folder = process.env.HOLDFAST_SHOTS;
  if (!folder) return;
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png`, fullPage: !name.startsWith("dialog") });
  }
  await page.emulateMedia({ colorScheme: "light" });
}

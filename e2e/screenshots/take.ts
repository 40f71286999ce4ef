import { join } from "node:path";
import { chooseForSchedule, expectJobDone, jobPanel, openDatastore, openRestoreDialog, scheduleRow } from "../support/app.js";
import { databases } from "../support/databases.js";
import { datastoreId, newestBackup, scheduleList, takeBackup } from "../support/service-api.js";
import { expect, type Page, test } from "../support/test.js";

const images = join(import.meta.dirname, "..", "..", "docs", "images");

/** How many backups the first page's small charts show. */
const backups = 7;

async function take(page: Page, name: string) {
  // The pointer and the blinking cursor are no part of the product.
  await page.mouse.move(0, 0);
  await page.screenshot({ path: join(images, `${name}.png`), animations: "disabled", caret: "hide" });
}

/** A shop that has been backed up for a while and grew meanwhile. */
async function prepare(request: Parameters<typeof datastoreId>[0]) {
  const { postgresql, mariadb, keyValue } = databases();
  await postgresql.run("create table if not exists invoices (id bigint primary key generated always as identity, pdf bytea not null)");
  for (let round = 1; round < backups; round++) {
    await postgresql.run(`insert into invoices (pdf) select sha512((random() * 1e9)::text::bytea) || sha512(n::text::bytea)
      from generate_series(1, ${2000 + (round * 5) % 7 * 900}) n`);
    await mariadb.run(`insert into reviews (article_id, stars, words)
      select 1 + seq % 3000, 5, concat(sha2(rand(), 512), sha2(seq, 512)) from seq_1_to_${1500 + (round * 3) % 7 * 800}`);
    await keyValue.run(`EVAL "for n = 1, ${400 + (round * 4) % 7 * 150} do redis.call('set', 'seen:${round}:' .. n, redis.sha1hex(n .. '${round}')) end" 0`);
    for (const { name } of [postgresql, mariadb, keyValue]) await takeBackup(request, await datastoreId(request, name));
  }
}

test("pictures for the README", async ({ page, request }) => {
  const { postgresql, mariadb } = databases();
  await prepare(request);

  await page.goto("/");
  await expect(page.getByRole("img", { name: new RegExp(`Size of the last ${backups} backups`) })).toHaveCount(3);
  await take(page, "datastores");
  await page.emulateMedia({ colorScheme: "dark" });
  await take(page, "datastores-dark");
  await page.emulateMedia({ colorScheme: "light" });

  await openDatastore(page, postgresql.name);
  const { number } = await newestBackup(request, await datastoreId(request, postgresql.name));
  await page.getByRole("button", { name: `Details of backup ${number}`, exact: true }).click();
  await expect(page.getByRole("group", { name: "Newest log lines" })).toBeVisible();
  await take(page, "backups");
  await page.getByRole("button", { name: `Details of backup ${number}`, exact: true }).click();

  const dialog = await openRestoreDialog(page, number);
  await dialog.getByRole("textbox", { name: `Type ${postgresql.name} to confirm` }).fill(postgresql.name);
  await take(page, "restore");
  await dialog.getByRole("button", { name: "Cancel" }).click();

  const [daily] = await scheduleList(request, await datastoreId(request, postgresql.name));
  await request.post(`/api/v1/schedules/${daily?.id}/run`, { data: {} });
  await page.getByRole("link", { name: "Backup schedules" }).click();
  const schedule = scheduleRow(page, daily?.recurrence ?? "");
  await expect(schedule).toContainText("Completed");
  await schedule.getByRole("button", { name: "Runs of the full schedule" }).click();
  await expect(page.getByRole("region", { name: "Newest runs" }).getByRole("listitem")).toHaveCount(1);
  await take(page, "schedules");
  await chooseForSchedule(page, daily?.recurrence ?? "", "Edit");
  await page.getByRole("button", { name: "Use Europe/Berlin" }).click();
  await take(page, "schedule");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();

  // A restore that has come to its end shows every phase.
  await openDatastore(page, mariadb.name);
  const newest = await newestBackup(request, await datastoreId(request, mariadb.name));
  const restore = await openRestoreDialog(page, newest.number);
  await restore.getByRole("textbox", { name: `Type ${mariadb.name} to confirm` }).fill(mariadb.name);
  await restore.getByRole("button", { name: "Restore", exact: true }).click();
  await expect(jobPanel(page)).toBeVisible();
  await expectJobDone(page);
  await take(page, "job");
});

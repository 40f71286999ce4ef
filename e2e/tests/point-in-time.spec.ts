import { expectJobDone, jobTimeout } from "../support/app.js";
import { type Database, databases } from "../support/databases.js";
import { datastoreId, stopArchiving, takeBackup } from "../support/service-api.js";
import { expect, type Page, test } from "../support/test.js";

/** What goes wrong, and how the server tells the time. */
interface Mistake {
  database: () => Database;
  prepare: string;
  /** The server's clock in milliseconds. */
  clock: string;
  mistake: string;
  /** How the log tells of it: PostgreSQL's holds no names. */
  told: RegExp;
  read: string;
}

const mistakes: Record<string, Mistake> = {
  PostgreSQL: {
    database: () => databases().postgresql,
    prepare: "drop table if exists regretted; create table regretted as select n from generate_series(1, 500) n;",
    clock: "select floor(extract(epoch from clock_timestamp()) * 1000)",
    mistake: "drop table regretted;",
    told: /Dropped, truncated or rewrote 1 relation/,
    read: "select count(*) from regretted",
  },
  MariaDB: {
    database: () => databases().mariadb,
    prepare: "drop table if exists regretted; create table regretted as select seq as n from seq_1_to_500;",
    clock: "select floor(unix_timestamp(now(6)) * 1000)",
    mistake: "drop table regretted;",
    told: /drop table.*regretted/i,
    read: "select count(*) from regretted",
  },
};

async function restoreFromDialog(page: Page, name: string) {
  const dialog = page.getByRole("dialog", { name: "Restore a backup" });
  await expect(dialog.getByText("Log", { exact: true })).toBeVisible({ timeout: 30_000 });
  await dialog.getByRole("textbox", { name: `Type ${name} to confirm` }).fill(name);
  await dialog.getByRole("button", { name: "Restore", exact: true }).click();
  await expect(dialog).toBeHidden();
  await expectJobDone(page);
}

test.afterEach(async ({ request }) => {
  for (const { name } of [databases().postgresql, databases().mariadb]) await stopArchiving(request, await datastoreId(request, name));
});

for (const [engine, { database, prepare, clock, mistake, told, read }] of Object.entries(mistakes)) {
  test(`${engine}: a dropped table comes back from just before the drop, and from an instant`, async ({ page, request }) => {
    test.setTimeout(400_000);
    const { name, run } = database();
    const id = await datastoreId(request, name);

    // Switched on as a person does.
    await page.goto(`/datastores/${id}/settings`);
    const archiving = page.getByRole("switch", { name: "Archive logs continuously" });
    if (!(await archiving.isChecked())) {
      await archiving.check();
      await page.getByRole("button", { name: "Save backup settings" }).click();
      await expect(page.getByText("Saved.", { exact: true })).toBeVisible();
    }
    await expect(page.getByRole("region", { name: "Log archiving" })).toContainText("Archiving", { timeout: jobTimeout });
    await takeBackup(request, id);

    const serverTime = async () => Number(await run(clock));
    await run(prepare);
    const good = (await serverTime()) + 1000;
    await expect.poll(serverTime, { message: "a second in which nothing happens" }).toBeGreaterThan(good + 2000);
    await run(mistake);
    const after = (await serverTime()) + 1000;
    const reached = async () => {
      const { latest_restorable_time: latest } = (await (await request.get(`/api/v1/datastores/${id}/recovery-window`)).json()) as { latest_restorable_time: string };
      return Date.parse(latest);
    };
    await expect.poll(reached, { timeout: jobTimeout }).toBeGreaterThan(after);

    await page.goto(`/datastores/${id}/recovery`);
    await page.getByLabel("To", { exact: true }).fill(new Date(after + 1000).toLocaleString("sv-SE", { timeZone: "Europe/Berlin" }).replace(" ", "T").replace(/:00$/, ":01"));
    await page.getByRole("button", { name: "Find changes" }).click();
    const drop = page.getByRole("table", { name: "Changes" }).getByRole("row").filter({ hasText: told }).last();
    await expect(drop).toBeVisible({ timeout: jobTimeout });
    await drop.getByRole("button", { name: /^Restore to just before/ }).click();
    await restoreFromDialog(page, name);
    expect(await run(read)).toBe("500");

    // The line of history that was left goes on being there.
    await page.goto(`/datastores/${id}/recovery`);
    await page.getByRole("combobox", { name: "Line of history" }).selectOption({ index: 1 });
    const instant = page.getByLabel(/^Instant in your zone/);
    await instant.fill(new Date(good + 1000).toLocaleString("sv-SE", { timeZone: "Europe/Berlin" }).replace(" ", "T").replace(/:00$/, ":01"));
    await page.getByRole("button", { name: "Restore to this instant" }).click();
    await restoreFromDialog(page, name);
    expect(await run(read)).toBe("500");
    await page.goto(`/datastores/${id}/restores`);
    await expect(page.getByRole("table", { name: "Restores" }).locator("tr.main").first()).toContainText(/to \d{4}-\d{2}-\d{2} .*Reached/);
  });
}

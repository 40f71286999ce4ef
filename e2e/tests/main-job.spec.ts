import { type Database, databases } from "../support/databases.js";
import { backupRow, expectJobDone, jobPanel, openActions, openDatastore, openRestoreDialog } from "../support/app.js";
import { expect, test } from "../support/test.js";

/** What the test writes, spoils and reads past Holdfast: data of its own, which nothing in the demo touches. */
interface Marker {
  database: () => Database;
  /** Enough data for a job that can be watched. */
  write: string;
  /** What goes wrong after the backup: rows changed, rows gone, a table dropped, a new one made. */
  spoil: string;
  /** Prints all of that, and that the shop is there. */
  read: string;
  written: RegExp;
  spoilt: RegExp;
}

const markers: Record<string, Marker> = {
  PostgreSQL: {
    database: () => databases().postgresql,
    write: `
      drop table if exists marker, marker_dropped, marker_later, ballast;
      create table marker (id int primary key, words text not null);
      insert into marker select n, 'before ' || n from generate_series(1, 500) n;
      create table marker_dropped as select * from marker;
      create table ballast as select n, sha512(n::text::bytea) || sha512((-n)::text::bytea) as noise from generate_series(1, 400000) n;`,
    spoil: `
      update marker set words = 'after' where id % 7 = 0;
      delete from marker where id > 400;
      drop table marker_dropped;
      create table marker_later (words text);`,
    read: `
      select count(*), md5(string_agg(words, ',' order by id)) from marker;
      select string_agg(tablename, ',' order by tablename) from pg_tables where tablename like 'marker%';
      select count(*) >= 40000 from orders;`,
    written: /^500\|\w{32}\nmarker,marker_dropped\nt$/,
    spoilt: /^400\|\w{32}\nmarker,marker_later\nt$/,
  },
  MariaDB: {
    database: () => databases().mariadb,
    write: `
      drop table if exists marker, marker_dropped, marker_later;
      create table marker (id int primary key, words varchar(100) not null);
      insert into marker select seq, concat('before ', seq) from seq_1_to_500;
      create table marker_dropped as select * from marker;`,
    spoil: `
      update marker set words = 'after' where id % 7 = 0;
      delete from marker where id > 400;
      drop table marker_dropped;
      create table marker_later (words text);`,
    read: `
      select count(*), md5(group_concat(words order by id)) from marker;
      select group_concat(table_name order by table_name) from information_schema.tables where table_schema = 'shop' and table_name like 'marker%';
      select count(*) >= 50000 from reviews;`,
    written: /^500\t\w{32}\nmarker,marker_dropped\n1$/,
    spoilt: /^400\t\w{32}\nmarker,marker_later\n1$/,
  },
  "Redis or Valkey": {
    database: () => databases().keyValue,
    write: `
      DEL marker marker:fields marker:dropped marker:later
      SET marker before
      HSET marker:fields one before two before
      SET marker:dropped before`,
    spoil: `
      SET marker after
      HDEL marker:fields two
      DEL marker:dropped
      SET marker:later after`,
    read: `
      GET marker
      HGETALL marker:fields
      EXISTS marker:dropped
      EXISTS marker:later
      EXISTS cart:1`,
    written: /^before\none\nbefore\ntwo\nbefore\n1\n0\n1$/,
    spoilt: /^after\none\nbefore\n0\n1\n1$/,
  },
};

for (const [engine, marker] of Object.entries(markers)) {
  test(`${engine}: back up, lose data, restore, undo, by clicking`, async ({ page }) => {
    test.setTimeout(300_000);
    const database = marker.database();
    const panel = jobPanel(page);
    const phases = panel.getByRole("list", { name: "Phases" }).getByRole("listitem");
    const log = panel.getByRole("log", { name: "Log lines" });
    let number = "";
    let before = "";
    let after = "";

    await test.step("write data by SQL", async () => {
      await database.run(marker.write);
      before = await database.run(marker.read);
      expect(before).toMatch(marker.written);
    });

    await test.step("back up now", async () => {
      await openDatastore(page, database.name);
      await page.getByRole("button", { name: "Back up now" }).click();
      const heading = panel.getByRole("heading", { level: 2 });
      await expect(heading).toHaveText(new RegExp(`^Backup \\d+ · ${database.name}$`));
      number = /\d+/.exec(await heading.innerText())?.[0] ?? "";
      // The small ones may be done before anybody looks.
      if (engine === "PostgreSQL") {
        await expect(panel.getByRole("progressbar", { name: "Progress of the job" })).toBeVisible();
      }
      await expectJobDone(page);
      await expect(phases.first()).toContainText("done");
      await expect(phases.last()).toContainText("done");
      await expect(log).not.toHaveText(/No lines yet|wrote no lines/);
    });

    await test.step("it stands in the table", async () => {
      await panel.getByRole("button", { name: "Close job" }).click();
      await expect(panel).toBeHidden();
      await expect(page).not.toHaveURL(/job=/);
      const cells = backupRow(page, number).getByRole("cell");
      await expect(cells.nth(1)).toHaveText(number);
      await expect(cells.nth(2)).toHaveText(database.method);
      await expect(cells.nth(3)).toHaveText("full");
      await expect(cells.nth(4)).toHaveText("Completed");
      await expect(cells.nth(5)).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      await expect(cells.nth(6)).toHaveText(/^\d+(\.\d+)? s$|^\d+ min \d+ s$/);
      await expect(cells.nth(7)).toHaveText(/^\d+\.\d\d (KiB|MiB)$/);
    });

    await test.step("lose data by SQL", async () => {
      await database.run(marker.spoil);
      after = await database.run(marker.read);
      expect(after).toMatch(marker.spoilt);
    });

    await test.step("the dialog says what will happen and waits for the name", async () => {
      const dialog = await openRestoreDialog(page, number);
      // Redis and Valkey keep no log, so there is nothing to set.
      const hasLog = database.method !== "rdb";
      for (const section of hasLog ? ["Backup info", "Restore settings", "Plan"] : ["Backup info", "Plan"]) {
        await expect(dialog.getByRole("heading", { name: section, exact: true })).toBeVisible();
      }
      await expect(dialog.getByText("Backup ID")).toBeVisible();
      await expect(dialog.getByRole("definition").first()).toHaveText(number);
      const pointInTime = dialog.getByRole("switch", { name: "Use point in time recovery" });
      await (hasLog ? expect(pointInTime).not.toBeChecked() : expect(pointInTime).toHaveCount(0));
      await expect(dialog.getByText(/iB needed, .*iB free/)).toBeVisible();
      const warning = dialog.getByRole("group", { name: "You are going to restore a backup" });
      await expect(warning).toContainText(
        /You are about to restore a backup created on \d\d\/\d\d\/\d{4} \d\d:\d\d UTC ?\. This process will completely overwrite your current data and all changes since your last backup will be lost\./,
      );
      const restore = dialog.getByRole("button", { name: "Restore", exact: true });
      const name = dialog.getByRole("textbox", { name: `Type ${database.name} to confirm` });
      await expect(restore).toBeDisabled();
      for (const almost of [database.name.toLowerCase(), database.name.slice(0, -1), `${database.name} `]) {
        await name.fill(almost);
        await expect(restore).toBeDisabled();
        await name.press("Enter");
      }
      await expect(dialog).toBeVisible();
      await name.fill(database.name);
      await expect(restore).toBeEnabled();
      expect(await database.run(marker.read), "nothing happened yet").toBe(after);
      await restore.click();
    });

    await test.step("the restore can be followed to its end", async () => {
      await expect(panel.getByRole("heading", { level: 2 })).toHaveText(`Restore of backup ${number} · ${database.name}`);
      await expectJobDone(page);
      const seen = (await phases.allInnerTexts()).map((phase) => phase.split(/[\n,]/)[0]?.trim());
      expect(seen).toEqual(["Checking", "Fetching", "Preparing", "Validating", "Switching"]);
      expect(await database.run(marker.read), "what was backed up is back").toBe(before);
      await panel.getByRole("button", { name: "Close job" }).click();
    });

    await test.step("undo puts back what the restore replaced", async () => {
      await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Restores" }).click();
      const newest = page.getByRole("table", { name: "Restores" }).getByRole("row").nth(1);
      await expect(newest.getByRole("cell").nth(0)).toContainText(new RegExp(`^${number}`));
      await expect(newest.getByRole("cell").nth(1)).toHaveText("Completed");
      await newest.getByRole("button", { name: "Undo" }).click();
      const dialog = page.getByRole("dialog", { name: "Undo a restore" });
      await expect(dialog).toContainText(`before backup ${number} was restored`);
      await dialog.getByRole("button", { name: "Cancel" }).click();
      await expect(dialog).toBeHidden();
      expect(await database.run(marker.read), "cancelled").toBe(before);

      await newest.getByRole("button", { name: "Undo" }).click();
      await dialog.getByRole("button", { name: "Undo", exact: true }).click();
      await expect(panel.getByRole("heading", { level: 2 })).toHaveText(`Undo of a restore · ${database.name}`);
      await expectJobDone(page);
      expect(await database.run(marker.read), "as it was before the restore").toBe(after);
      await panel.getByRole("button", { name: "Close job" }).click();
      await expect(newest.getByRole("cell").nth(1)).toHaveText("Undone");
      await expect(newest.getByRole("button", { name: "Undo" })).toHaveCount(0);
    });

    await test.step("a backup can still be restored after that", async () => {
      await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Backups" }).click();
      await expect((await openActions(page, number)).getByRole("menuitem", { name: "Restore" })).toBeEnabled();
    });
  });
}

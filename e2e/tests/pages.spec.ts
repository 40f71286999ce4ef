import { chooseForBackup, chooseForSchedule, jobPanel, openActions, openRestoreDialog, scheduleRow } from "../support/app.js";
import { databases } from "../support/databases.js";
import { type Backup, datastoreId, haveBackups, haveRestore, haveSchedules, holdBackup, newestBackup } from "../support/service-api.js";
import { expect, expectWellMade, type Page, test } from "../support/test.js";

/** The datastore whose pages are looked at: the one whose backups and restores are the quickest. */
const shop = () => databases().keyValue.name;

/** A page: where it is, its title, and what is there once it has loaded. */
interface Place {
  path: string;
  title: string;
  ready: (page: Page) => ReturnType<Page["locator"]>;
}

/** The usual one, and one whose words are long. */
const recurrences = ["TZ=America/Argentina/Buenos_Aires 15 2,14 1,15 * 1-5", "TZ=UTC 0 5 * * *"];

const table = (name: string) => (page: Page) => page.getByRole("table", { name, exact: true }).getByRole("row").nth(1);

const places: Place[] = [
  { path: "/", title: "Datastores", ready: table("Datastores") },
  { path: "/datastores/new", title: "Add datastore", ready: (page) => page.getByRole("heading", { name: "What the user needs" }) },
  { path: "/activity", title: "Activity", ready: table("Activity") },
  { path: "/workers", title: "Workers", ready: table("Workers") },
  { path: "/storages", title: "Storages", ready: table("Storages") },
  { path: "/nothing/here", title: "Not found", ready: (page) => page.getByText("There is nothing at this address") },
];

const datastorePlaces: Place[] = [
  { path: "backups", title: "Shop carts", ready: table("Backups") },
  { path: "schedules", title: "Shop carts", ready: table("Schedules") },
  { path: "recovery", title: "Shop carts", ready: (page) => page.getByRole("heading", { name: "No point-in-time recovery" }) },
  { path: "restores", title: "Shop carts", ready: table("Restores") },
  { path: "settings", title: "Shop carts", ready: (page) => page.getByRole("main").filter({ hasText: "Last test" }).getByRole("listitem").filter({ hasText: "Keep" }).first() },
];

async function look(page: Page, path: string, { title, ready }: Place) {
  await page.goto(path);
  await expect(ready(page)).toBeVisible();
  await expect(page).toHaveTitle(`${title} · Holdfast`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
  await expectWellMade(page);
}

for (const place of places) {
  test(`${place.path} is well made`, async ({ page }) => {
    await look(page, place.path, place);
  });
}

for (const place of datastorePlaces) {
  test(`/datastores/{id}/${place.path} is well made`, async ({ page, request }) => {
    const id = await datastoreId(request, shop());
    if (place.path === "restores") await haveRestore(request, id, shop());
    if (place.path === "schedules") await haveSchedules(request, id, ...recurrences);
    await look(page, `/datastores/${id}/${place.path}`, place);
  });
}

test("what opens over a backup is well made", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  const { number } = await newestBackup(request, id);
  await page.goto(`/datastores/${id}/backups`);

  await test.step("the menu", async () => {
    const menu = await openActions(page, number);
    await expect(menu).toMatchAriaSnapshot(`
      - menu "Actions for backup ${number}":
        - menuitem "Restore"
        - menuitem "Verify"
        - menuitem "View log"
        - separator
        - menuitem "Hold"
        - menuitem "Delete"
    `);
    await expectWellMade(page);
    await page.keyboard.press("Escape");
    await expect(menu).toBeHidden();
  });

  await test.step("the restore dialog", async () => {
    const dialog = await openRestoreDialog(page, number);
    await expect(dialog).toMatchAriaSnapshot(`
      - dialog "Restore a backup":
        - heading "Restore a backup" [level=2]
        - button "Close"
        - group "Backup, settings and plan":
          - heading "Backup info" [level=3]
          - term: Backup ID
          - definition: "${number}"
          - term: Type
          - definition: full
          - term: Size
          - definition: /\\d+\\.\\d+ KiB/
          - term: Method
          - definition: rdb
          - term: Taken
          - definition:
            - time: /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+/
          - heading "Plan" [level=3]
          - term: Restored from
          - definition: Backup ${number}
          - term: Read from the storage
          - definition: /\\d+\\.\\d+ KiB/
          - term: Unpacked
          - definition: /\\d+\\.\\d+ (KiB|MiB)/
          - term: Disk space
          - definition: /.* needed, .* free/
          - term: Time
          - definition
          - term: Downtime
          - definition
          - paragraph: /unpacked beside the live data/
        - group "You are going to restore a backup":
          - heading "You are going to restore a backup" [level=3]
          - paragraph: /created on \\d+\\/\\d+\\/\\d+ \\d+:\\d+ UTC/
          - paragraph: /In your zone/
        - text: Type Shop carts to confirm
        - textbox "Type Shop carts to confirm"
        - button "Cancel"
        - button "Restore" [disabled]
    `);
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await expect(dialog).toBeHidden();
  });

  await test.step("the question before deletion", async () => {
    await (await openActions(page, number)).getByRole("menuitem", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog", { name: `Delete backup ${number}` });
    await expect(dialog).toBeVisible();
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Close" }).click();
    await expect(dialog).toBeHidden();
  });

  await test.step("the details in the table", async () => {
    const expander = page.getByRole("button", { name: `Details of backup ${number}`, exact: true });
    await expander.click();
    await expect(expander).toHaveAttribute("aria-expanded", "true");
    await expect(page.getByRole("region", { name: "Facts" })).toContainText("Before compression");
    await expect(page.getByRole("group", { name: "Newest log lines" })).toBeVisible();
    await expectWellMade(page);
  });

  await test.step("the job", async () => {
    await page.getByRole("button", { name: "Open whole log" }).click();
    await expect(jobPanel(page).getByRole("log")).not.toBeEmpty();
    await expectWellMade(page);
  });
});

test("what opens over restores and settings is well made", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveRestore(request, id, shop());
  await page.goto(`/datastores/${id}/restores`);
  await page.getByRole("button", { name: "Undo" }).first().click();
  await expect(page.getByRole("dialog", { name: "Undo a restore" })).toBeVisible();
  await expectWellMade(page);

  await page.goto(`/datastores/${id}/settings`);
  await page.getByRole("button", { name: "Delete datastore" }).click();
  await expect(page.getByRole("dialog", { name: "Delete datastore" })).toBeVisible();
  await expectWellMade(page);
});

test("holds and backup settings are well made", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  const [newest] = (await haveBackups(request, id, 3)) as [Backup, ...Backup[]];
  const dialog = page.getByRole("dialog");

  await test.step("the question for a reason", async () => {
    await page.goto(`/datastores/${id}/backups`);
    await chooseForBackup(page, String(newest.number), "Hold");
    await expect(dialog).toMatchAriaSnapshot(`
      - dialog "Hold backup ${newest.number}":
        - heading "Hold backup ${newest.number}" [level=2]
        - button "Close"
        - paragraph: /can't be deleted/
        - text: Reason
        - textbox "Reason"
        - paragraph: For whoever wants to delete it.
        - button "Cancel"
        - button "Hold" [disabled]
    `);
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });

  await test.step("what is held, its menu and the way to release it", async () => {
    await holdBackup(request, newest.id, "for the auditors, who come in March and ask for a copy of everything as it was at the end of the year");
    await expect(page.getByText("Held", { exact: true })).toBeVisible();
    const menu = await openActions(page, String(newest.number));
    await expect(menu.getByRole("menuitem", { name: "Delete" })).toBeDisabled();
    await expectWellMade(page);
    await menu.getByRole("menuitem", { name: "Release" }).click();
    await expect(dialog).toHaveAccessibleName(`Release backup ${newest.number}`);
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });

  await test.step("a preview with everything in it", async () => {
    await page.goto(`/datastores/${id}/settings`);
    await page.getByText("By calendar").click();
    await page.getByRole("textbox", { name: "Daily" }).fill("7");
    await page.getByRole("textbox", { name: "Minimum good backups" }).fill("1");
    const preview = page.getByRole("region", { name: "What this would delete" });
    await expect(preview.getByRole("listitem").first()).toContainText("Delete");
    await expect(preview).toHaveAttribute("aria-busy", "false");
    await expect(preview.getByRole("listitem").filter({ hasText: `Backup ${newest.number}` })).toContainText("It is held: for the auditors");
    await expectWellMade(page);
  });

  await test.step("the question before saving", async () => {
    await page.getByRole("button", { name: "Save backup settings" }).click();
    await expect(dialog.getByRole("button", { name: /^Save and delete \d+ backups?$/ })).toBeVisible();
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await expect(dialog).toBeHidden();
  });

  await test.step("what is wrong", async () => {
    await page.getByRole("textbox", { name: "Weekly" }).fill("0");
    await expect(page.getByText("must be 1 to 10000; leave it out for no such rule")).toBeVisible();
    await expectWellMade(page);
  });
  await haveBackups(request, id, 1);
});

test("what opens over schedules is well made", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, ...recurrences);
  const [long, daily] = recurrences as [string, string];
  const dialog = page.getByRole("dialog");

  await test.step("no schedule", async () => {
    await page.route("**/datastores/*/schedules?*", (route) => route.fulfill({ json: { items: [], next_cursor: null, total: 0 } }));
    await page.goto(`/datastores/${id}/schedules`);
    await expect(page.getByRole("heading", { name: "No schedule" })).toBeVisible();
    await expectWellMade(page);
    await page.unroute("**/datastores/*/schedules?*");
    await page.reload();
  });

  await test.step("the menu", async () => {
    await scheduleRow(page, daily).getByRole("button", { name: "Actions for the full schedule" }).click();
    await expect(page.getByRole("menu", { name: "Actions for the full schedule" })).toMatchAriaSnapshot(`
      - menu "Actions for the full schedule":
        - menuitem "Pause"
        - menuitem "Edit"
        - menuitem "Run now"
        - separator
        - menuitem "Delete"
    `);
    await expectWellMade(page);
    await page.keyboard.press("Escape");
  });

  await test.step("the dialog", async () => {
    await chooseForSchedule(page, daily, "Edit");
    await expect(dialog).toMatchAriaSnapshot(`
      - dialog "Edit full backup schedule":
        - heading "Edit full backup schedule" [level=2]
        - button "Close"
        - group "Start the full backup every":
          - radio "Hourly"
          - text: Hourly
          - radio "Daily" [checked]
          - text: Daily
          - radio "Advanced"
          - text: Advanced Every
          - textbox "Every": "1"
          - text: day, at
          - textbox "at":
            - /placeholder: 05:00
            - text: 05:00
        - text: Time zone
        - combobox "Time zone": UTC
        - button "Use Europe/Berlin"
        - status:
          - paragraph: Your full backup will start At 05:00 UTC, every day
        - table "Next runs":
          - caption: Next runs
          - rowgroup:
            - row:
              - columnheader "UTC"
              - columnheader "Your zone, Europe/Berlin"
          - rowgroup:
            - row /05:00 .* 0[67]:00/:
              - cell /05:00/
              - cell /0[67]:00/
        - button "Cancel"
        - button "Save" [disabled]
    `);
    await expectWellMade(page);
    await dialog.getByRole("textbox", { name: "Every" }).fill("3");
    await expect(dialog.getByText("Counted from")).toBeVisible();
    await expectWellMade(page);
    await dialog.getByRole("radio", { name: "Hourly" }).check();
    await dialog.getByRole("textbox", { name: "at minute" }).fill("60");
    await expect(dialog.getByText("must be 0 to 59")).toBeVisible();
    await expectWellMade(page);
    await page.keyboard.press("Escape");
    await chooseForSchedule(page, long, "Edit");
    await expect(dialog.getByRole("textbox", { name: "Cron expression" })).toBeVisible();
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await expect(dialog).toBeHidden();
  });

  await test.step("a new one", async () => {
    await page.getByRole("button", { name: "Add schedule" }).click();
    await expect(dialog).toHaveAccessibleName("Add backup schedule");
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Close" }).click();
    await expect(dialog).toBeHidden();
  });

  await test.step("the question before deletion", async () => {
    await chooseForSchedule(page, daily, "Delete");
    await expect(dialog).toHaveAccessibleName("Delete full backup schedule");
    await expectWellMade(page);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await expect(dialog).toBeHidden();
  });

  await test.step("its runs", async () => {
    await scheduleRow(page, daily).getByRole("button", { name: "Runs of the full schedule" }).click();
    await expect(page.getByText("It was not due yet.")).toBeVisible();
    await expect(page.getByRole("table", { name: "Next runs" }).getByRole("row")).toHaveCount(6);
    await expectWellMade(page);
  });
});

test("tables are tables to who can't see them", async ({ page, request }) => {
  // On a phone, where rows are cards, each value bears its column's name as well.
  const snapshot = (name: string, columns: string[], row: string) =>
    [`- table "${name}":`, `  - caption: ${name}`, "  - rowgroup:", "    - row:",
      ...columns.map((column) => `      - columnheader "${column}"`), "  - rowgroup:", row].join("\n");
  const id = await datastoreId(request, shop());
  const { number } = await newestBackup(request, id);
  await haveRestore(request, id, shop());
  await haveSchedules(request, id, ...recurrences);

  await page.goto("/");
  await expect(page.getByRole("table", { name: "Datastores" })).toMatchAriaSnapshot(
    snapshot("Datastores", ["Datastore", "State", "Recoverable to", "Size", "Next run", "Action"], `
    - row /Shop carts/:
      - cell /Shop carts (Redis|Valkey) [\\d.]+ · 127.0.0.1:\\d+/:
        - link "Shop carts":
          - /url: /datastores/${id}/backups
      - cell /^(State )?Online$/
      - cell /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+ Backup \\d+, .* ago/
      - cell /Size of the .* KiB/:
        - img /Size of the/
      - cell /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+ in \\d+/:
        - time
        - time
      - cell "Back up now":
        - button "Back up now"`),
  );

  await page.goto(`/datastores/${id}/backups`);
  await expect(page.getByRole("table", { name: "Backups" })).toMatchAriaSnapshot(
    snapshot("Backups", ["Details", "Id", "Method", "Type", "Status", "Started", "Duration", "Size", "Actions"], `
    - row /Actions for backup ${number}/:
      - cell "Details of backup ${number}":
        - button "Details of backup ${number}"
      - cell /^(Id )?${number}$/
      - cell /^(Method )?rdb$/
      - cell /^(Type )?full$/
      - cell /^((Status|Outcome) )?Completed$/
      - cell /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+/:
        - time
      - cell /\\d+ s/
      - cell /\\d+\\.\\d+ KiB/
      - cell "Actions for backup ${number}":
        - button "Actions for backup ${number}"`),
  );

  await page.goto(`/datastores/${id}/restores`);
  await expect(page.getByRole("table", { name: "Restores" })).toMatchAriaSnapshot(
    snapshot("Restores", ["Backup", "Outcome", "Phase", "Started", "Duration", "Downtime", "Undo", "Log"], `
    - row /Completed (Phase )?Done/:
      - cell /\\d+ in place/
      - cell /^((Status|Outcome) )?Completed$/
      - cell /^(Phase )?Done$/
      - cell /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+/:
        - time
      - cell /\\d+ s/
      - cell /\\d+ s/
      - cell /Undo until/:
        - button "Undo"
      - cell /Log of the restore of backup \\d+/:
        - button /Log of the restore of backup \\d+/`),
  );

  await page.goto(`/datastores/${id}/schedules`);
  await expect(page.getByRole("table", { name: "Schedules" })).toMatchAriaSnapshot(
    snapshot("Schedules", ["Runs", "Method", "Type", "Status", "Created", "Recurrence", "Next run", "Last run", "Action"], `
    - row /At 05:00 UTC, every day/:
      - cell "Runs of the full schedule":
        - button "Runs of the full schedule"
      - cell /^(Method )?rdb$/
      - cell /^(Type )?full$/
      - cell /^(Status )?Active$/
      - cell /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+/:
        - time
      - cell /TZ=UTC 0 5 \\* \\* \\* At 05:00 UTC, every day/:
        - code: TZ=UTC 0 5 * * *
        - text: At 05:00 UTC, every day
      - cell /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+ in \\d+/:
        - time
        - time
      - cell /^(Last run )?–$/
      - cell "Actions for the full schedule":
        - button "Actions for the full schedule"`),
  );
});

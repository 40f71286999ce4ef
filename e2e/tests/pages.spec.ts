import { jobPanel, openActions, openRestoreDialog } from "../support/app.js";
import { databases } from "../support/databases.js";
import { datastoreId, haveRestore, newestBackup } from "../support/service-api.js";
import { expect, expectWellMade, type Page, test } from "../support/test.js";

/** The datastore whose pages are looked at: the one whose backups and restores are the quickest. */
const shop = () => databases().keyValue.name;

/** A page: where it is, its title, and what is there once it has loaded. */
interface Place {
  path: string;
  title: string;
  ready: (page: Page) => ReturnType<Page["locator"]>;
}

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
  { path: "schedules", title: "Shop carts", ready: (page) => page.getByText("Schedules come with a later version") },
  { path: "restores", title: "Shop carts", ready: table("Restores") },
  { path: "settings", title: "Shop carts", ready: (page) => page.getByRole("heading", { name: "Last test" }) },
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
          - heading "Restore settings" [level=3]
          - text: Use point in time recovery
          - switch "Use point in time recovery" [disabled]
          - paragraph: /Point-in-time recovery needs/
          - heading "Plan" [level=3]
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

test("tables are tables to who can't see them", async ({ page, request }) => {
  // On a phone, where rows are cards, each value bears its column's name as well.
  const snapshot = (name: string, columns: string[], row: string) =>
    [`- table "${name}":`, `  - caption: ${name}`, "  - rowgroup:", "    - row:",
      ...columns.map((column) => `      - columnheader "${column}"`), "  - rowgroup:", row].join("\n");
  const id = await datastoreId(request, shop());
  const { number } = await newestBackup(request, id);
  await haveRestore(request, id, shop());

  await page.goto("/");
  await expect(page.getByRole("table", { name: "Datastores" })).toMatchAriaSnapshot(
    snapshot("Datastores", ["Datastore", "State", "Last good backup", "Size", "Next run", "Action"], `
    - row /Shop carts/:
      - cell /Shop carts (Redis|Valkey) [\\d.]+ · 127.0.0.1:\\d+/:
        - link "Shop carts":
          - /url: /datastores/${id}/backups
      - cell /^(State )?Online$/
      - cell /\\d+-\\d+-\\d+ \\d+:\\d+:\\d+ Backup \\d+, .* ago/
      - cell /Size of the .* KiB/:
        - img /Size of the/
      - cell /^(Next run )?—$/
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
});

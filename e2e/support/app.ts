import { expect, type Locator, type Page } from "@playwright/test";

/** Backups and restores of the demo take seconds; a machine that does other things as well takes its time. */
export const jobTimeout = 90_000;

/** The panel of a job, over any page. */
export function jobPanel(page: Page): Locator {
  return page.getByRole("complementary", { name: "Job" });
}

/** Waits until the job in the panel has ended well. */
export async function expectJobDone(page: Page) {
  const state = jobPanel(page).getByRole("status").first();
  await expect(state).toHaveText(/Completed|Failed|Cancelled/, { timeout: jobTimeout });
  await expect(state, await jobPanel(page).innerText()).toHaveText("Completed");
}

/** From the list to a datastore's backups, as a person goes. */
export async function openDatastore(page: Page, name: string) {
  await page.goto("/");
  await page.getByRole("table", { name: "Datastores" }).getByRole("link", { name, exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name, exact: true })).toBeVisible();
}

/** The line of one backup in the table. */
export function backupRow(page: Page, number: string): Locator {
  return page
    .getByRole("table", { name: "Backups" })
    .getByRole("row")
    .filter({ has: page.getByRole("button", { name: `Actions for backup ${number}`, exact: true }) });
}

/** Opens the "…" menu of a backup. */
export async function openActions(page: Page, number: string): Promise<Locator> {
  const name = `Actions for backup ${number}`;
  await page.getByRole("button", { name, exact: true }).click();
  const menu = page.getByRole("menu", { name, exact: true });
  await expect(menu).toBeVisible();
  return menu;
}

/** Opens the restore dialog of a backup and waits for its plan. */
export async function openRestoreDialog(page: Page, number: string): Promise<Locator> {
  await (await openActions(page, number)).getByRole("menuitem", { name: "Restore" }).click();
  const dialog = page.getByRole("dialog", { name: "Restore a backup" });
  await expect(dialog).toBeVisible();
  await expect(dialog.getByText("Read from the storage").or(dialog.getByRole("group", { name: "Obstacles" })))
    .toBeVisible({ timeout: 30_000 });
  return dialog;
}

/** The line of the schedule with this recurrence. */
export function scheduleRow(page: Page, recurrence: string): Locator {
  return page
    .getByRole("table", { name: "Schedules" })
    .getByRole("row")
    .filter({ has: page.getByText(recurrence, { exact: true }) });
}

/** Chooses from the "…" menu of a schedule. */
export async function chooseForSchedule(page: Page, recurrence: string, item: string) {
  await scheduleRow(page, recurrence).getByRole("button", { name: /^Actions for the / }).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
}

import { backupRow, chooseForBackup, expectJobDone, jobTimeout, openActions } from "../support/app.js";
import { databases } from "../support/databases.js";
import { type Backup, backupList, datastoreId, haveBackups, holdBackup, keepForEver } from "../support/service-api.js";
import { expect, type Page, test } from "../support/test.js";

/** The datastore whose backups are the quickest. */
const shop = () => databases().keyValue.name;

const dialog = (page: Page) => page.getByRole("dialog");
const field = (page: Page, name: string) => page.getByRole("textbox", { name, exact: true });
const save = (page: Page) => page.getByRole("button", { name: "Save backup settings" });
const preview = (page: Page) => page.getByRole("region", { name: /^What this (would delete|deletes)$/ });
const verdict = (page: Page, { number }: Backup) =>
  preview(page).getByRole("listitem").filter({ has: page.getByText(`Backup ${number}`, { exact: true }) });
const counted = (count: number) => (count === 1 ? "1 backup" : `${count} backups`);

async function openSettings(page: Page, id: string) {
  await page.goto(`/datastores/${id}/backups`);
  await page.getByRole("link", { name: "Backup settings" }).click();
  await expect(preview(page).getByRole("listitem").first()).toBeVisible();
  await expect(save(page), "nothing has changed").toBeDisabled();
}

/** Waits until the preview is that of what is typed. */
async function expectPreview(page: Page, summary: RegExp) {
  await expect(preview(page)).toHaveAttribute("aria-busy", "false");
  await expect(preview(page).getByRole("status")).toHaveText(summary);
}

test.afterEach(async ({ request }) => {
  const id = await datastoreId(request, shop());
  await haveBackups(request, id, 1);
});

test("what a policy deletes is shown while it is typed, and happens once it is saved", async ({ page, request }) => {
  test.setTimeout(240_000);
  const id = await datastoreId(request, shop());
  const backups = await haveBackups(request, id, 4);
  const [newest, second, third] = backups as [Backup, Backup, Backup];
  const doomed = backups.slice(2);
  await openSettings(page, id);
  await expectPreview(page, /^Deletes nothing; keeps \d+ backups, /);
  await expect(verdict(page, newest)).toContainText("Every backup is kept for ever.");

  await field(page, "Keep last").fill("3");
  await expectPreview(page, new RegExp(`^Deletes ${counted(backups.length - 3)}, frees .*B; keeps \\d+\\.$`));
  await expect(verdict(page, third)).toContainText("It belongs to the last 3 full backups.");
  await field(page, "Keep last").fill("2");
  await expectPreview(page, new RegExp(`^Deletes ${counted(doomed.length)}, frees .*B; keeps \\d+\\.$`));
  await expect(preview(page).getByRole("listitem").first(), "what goes comes first").toContainText("Delete");
  await expect(verdict(page, third)).toContainText("It does not belong to the last 2 full backups.");
  await expect(verdict(page, second)).toContainText("It belongs to the last 2 full backups.");
  await expect(preview(page)).toContainText("Nothing is deleted until you save.");
  await expect(page.getByText("Keeps the last 2 full backups with their increments.")).toBeVisible();
  expect((await backupList(request, id)).length, "nothing is deleted yet").toBe(backups.length);

  const question = page.getByRole("button", { name: `Save and delete ${counted(doomed.length)}` });
  await save(page).click();
  await expect(question).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog(page)).toBeHidden();
  await page.reload();
  await expect(field(page, "Keep last"), "nothing was saved").toHaveValue("");

  await field(page, "Keep last").fill("2");
  await save(page).click();
  await question.click();
  await expect(page.getByText(`Saved. ${counted(doomed.length)} will be deleted, one after another.`)).toBeVisible();
  await expect(save(page)).toBeDisabled();

  await page.getByRole("link", { name: "Backups", exact: true }).click();
  await expect(backupRow(page, String(newest.number))).toBeVisible();
  for (const { number } of doomed) await expect(backupRow(page, String(number))).toHaveCount(0, { timeout: jobTimeout });
  await expect(backupRow(page, String(second.number))).toBeVisible();
  expect((await backupList(request, id)).map((one) => one.number)).toEqual([newest.number, second.number]);
});

test("a backup that is held stays whatever the policy says, until it is released", async ({ page, request }) => {
  test.setTimeout(240_000);
  const id = await datastoreId(request, shop());
  const [, between, oldest] = (await haveBackups(request, id, 3)).slice(-3) as [Backup, Backup, Backup];
  const number = String(oldest.number);
  await page.goto(`/datastores/${id}/backups`);

  await chooseForBackup(page, number, "Hold");
  const hold = dialog(page).getByRole("button", { name: "Hold", exact: true });
  await expect(hold, "without a reason").toBeDisabled();
  await field(page, "Reason").fill("x".repeat(201));
  await expect(field(page, "Reason")).toHaveAccessibleDescription(/must have 1 to 200 characters/);
  await expect(hold).toBeDisabled();
  await field(page, "Reason").fill("for the auditors");
  await hold.click();
  await expect(dialog(page)).toBeHidden();
  const row = backupRow(page, number);
  await expect(row).toContainText("Held");
  await expect(row.getByTitle("for the auditors")).toBeVisible();
  await page.getByRole("button", { name: `Details of backup ${number}`, exact: true }).click();
  await expect(page.getByRole("region", { name: "Facts" })).toContainText("Heldfor the auditors");
  const menu = await openActions(page, number);
  await expect(menu.getByRole("menuitem", { name: "Delete" })).toBeDisabled();
  await expect(menu.getByRole("menuitem", { name: "Delete" })).toHaveAccessibleDescription("It is held: for the auditors");
  await page.keyboard.press("Escape");

  await openSettings(page, id);
  await field(page, "Minimum good backups").fill("1");
  await field(page, "Keep last").fill("1");
  await expect(verdict(page, oldest)).toContainText("It is held: for the auditors");
  await expect(verdict(page, oldest)).toContainText("Keep");
  await expect(verdict(page, between)).toContainText("Delete");
  await save(page).click();
  await dialog(page).getByRole("button", { name: /^Save and delete/ }).click();
  await page.getByRole("link", { name: "Backups", exact: true }).click();
  await expect(row).toBeVisible();
  await expect(backupRow(page, String(between.number))).toHaveCount(0, { timeout: jobTimeout });
  await expect(row).toBeVisible();

  await keepForEver(request, id);
  await chooseForBackup(page, number, "Release");
  await expect(dialog(page)).toContainText("for the auditors");
  await dialog(page).getByRole("button", { name: "Release" }).click();
  await expect(row).not.toContainText("Held");
  await chooseForBackup(page, number, "Delete");
  await dialog(page).getByRole("button", { name: "Delete" }).click();
  await expectJobDone(page);
  await expect(row).toHaveCount(0);
});

test.describe("a hold that came in between", () => {
  test.use({ expectedComplaints: [/status of 409/] });

  test("refuses the deletion with its reason", async ({ page, request }) => {
    const id = await datastoreId(request, shop());
    const oldest = (await haveBackups(request, id, 2)).at(-1) as Backup;
    await page.goto(`/datastores/${id}/backups`);
    await chooseForBackup(page, String(oldest.number), "Delete");
    await expect(dialog(page)).toBeVisible();
    await holdBackup(request, oldest.id, "needed for ticket 4711");
    await dialog(page).getByRole("button", { name: "Delete" }).click();
    const alert = dialog(page).getByRole("alert");
    await expect(alert).toContainText("The backup is held");
    await expect(alert).toContainText("needed for ticket 4711");
    await expect(alert, "what to do").toContainText("Release the hold first");
    await dialog(page).getByRole("button", { name: "Cancel" }).click();
    await expect(backupRow(page, String(oldest.number))).toContainText("Held");
  });
});

test("numbers that can't be keep Save off, and say why at their field", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveBackups(request, id, 1);
  await openSettings(page, id);
  const wrong = async (name: string, value: string, why: RegExp) => {
    await field(page, name).fill(value);
    await expect(field(page, name), `${name}: ${value}`).toHaveAccessibleDescription(why);
    await expect(field(page, name)).toHaveAttribute("aria-invalid", "true");
    await expect(save(page)).toBeDisabled();
    await expect(page.getByText("Can't be saved: see what is said at the fields.")).toBeVisible();
  };
  for (const value of ["0", "00", "-1", "1.5", "lots", "99999999999"]) await wrong("Keep last", value, /must be 1 to 10000/);
  await expect(preview(page)).toContainText("It is shown again once the fields are right.");
  await wrong("Keep last", "1", /must be at least 2, for so many good backups are kept anyway/);
  await field(page, "Keep last").fill("");
  await expect(page.getByText("Can't be saved")).toHaveCount(0);
  await expect(save(page), "as it is saved").toBeDisabled();
  await wrong("Minimum good backups", "", /the last good backup is never deleted/);
  await field(page, "Minimum good backups").fill("2");
  await wrong("Compression level", "20", /must be 1 to 19/);
  await field(page, "Compression level").fill("5");
  await expect(save(page)).toBeEnabled();
  await save(page).click();
  await expect(page.getByText("Saved.", { exact: true })).toBeVisible();
  await page.reload();
  await expect(field(page, "Compression level")).toHaveValue("5");
  await expect(page.getByRole("switch", { name: "Archive logs continuously" })).toBeDisabled();
  await expect(field(page, "Point-in-time window, days"), "not without logs").toHaveCount(0);
});

test("a chain is told: what an increment builds on, and what builds on it", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  const [last, middle, first] = (await haveBackups(request, id, 3)) as [Backup, Backup, Backup];
  // What the service answers, as it would for an engine that makes increments.
  await page.route(new RegExp(`/api/v1/datastores/${id}/backups(\\?.*)?$`), async (route) => {
    if (route.request().method() !== "GET") return route.fallback();
    const answer = await route.fetch();
    const list = (await answer.json()) as { items: (Backup & { parent_id: string | null; type: string })[] };
    for (const [child, parent] of [[last, middle], [middle, first]] as const) {
      const item = list.items.find((one) => one.id === child.id);
      if (item) Object.assign(item, { parent_id: parent.id, type: "incremental" });
    }
    await route.fulfill({ response: answer, json: list });
  });
  await page.route(`**/api/v1/datastores/${id}`, async (route) => {
    const answer = await route.fetch();
    const datastore = (await answer.json()) as { capabilities: { methods: { types: string[] }[] } };
    for (const method of datastore.capabilities.methods) method.types = ["full", "incremental"];
    await route.fulfill({ response: answer, json: datastore });
  });
  await page.goto(`/datastores/${id}/backups`);
  const expander = ({ number }: Backup) => page.getByRole("button", { name: `Details of backup ${number}`, exact: true });
  await expect(backupRow(page, String(last.number))).toContainText("incremental");
  await page.getByRole("button", { name: `on backup ${middle.number}` }).click();
  await expect(expander(middle)).toBeFocused();
  await page.keyboard.press("Enter");
  const facts = page.getByRole("region", { name: "Facts" });
  await expect(facts).toContainText(`backups ${first.number} and ${middle.number}`);
  await expect(facts).toContainText(`${last.number} builds on it: delete that one first.`);
  const entry = (await openActions(page, String(first.number))).getByRole("menuitem", { name: "Delete" });
  await expect(entry).toBeDisabled();
  await expect(entry).toHaveAccessibleDescription(`${middle.number} and ${last.number} build on it: delete those first.`);
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Types of backup" }).click();
  await expect(page.getByRole("menu", { name: "Types of backup" })).toMatchAriaSnapshot(`
    - menu "Types of backup":
      - menuitem "Full backup"
      - menuitem "Incremental backup"
  `);
  const asked = page.waitForRequest((one) => one.method() === "POST" && one.url().endsWith(`/datastores/${id}/backups`));
  await page.getByRole("menuitem", { name: "Full backup" }).click();
  expect((await asked).postDataJSON()).toEqual({ method: "rdb", type: "full" });
  await expectJobDone(page);
});

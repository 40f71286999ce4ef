import { chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectJobDone, jobPanel, jobTimeout, openDatastore, openRestoreDialog } from "../support/app.js";
import { databases } from "../support/databases.js";
import { freePort } from "../support/processes.js";
import { archiveLogs } from "../support/recovery.js";
import { datastoreId, haveBackups } from "../support/service-api.js";
import { expect, expectWellMade, type Page, test } from "../support/test.js";

const carts = () => databases().keyValue;
const copy = "Carts, looked at";

const dialog = (page: Page) => page.getByRole("dialog", { name: "Restore a backup" });
const field = (page: Page, name: RegExp) => dialog(page).getByRole("textbox", { name });
const restore = (page: Page) => dialog(page).getByRole("button", { name: "Restore", exact: true });
const note = (page: Page) => dialog(page).getByRole("group", { name: "You are going to restore into a new datastore" });

/** Chooses it as a person without a mouse does. */
async function chooseNew(page: Page) {
  await dialog(page).getByRole("radio", { name: "Into this datastore" }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(dialog(page).getByRole("radio", { name: "Into a new datastore" })).toBeChecked();
}

test("a backup becomes a datastore of its own, and the one that it is of is left alone", async ({ page, request, expectedComplaints }) => {
  test.setTimeout(180_000);
  // What is not filled in is refused by the service in the end.
  expectedComplaints.push(/status of 4\d\d/);
  const source = await datastoreId(request, carts().name);
  const [backup] = await haveBackups(request, source, 1);
  const kept = join(process.env.HOLDFAST_DATA_DIRECTORY ?? "", "key-value", "data");
  const directory = join(kept, "..", "looked-at");
  const owner = statSync(kept);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { mode: 0o700 });
  chownSync(directory, owner.uid, owner.gid);
  await carts().run("SET looked-at before");
  let made = "";

  await test.step("nothing is overwritten, so no name has to be typed", async () => {
    await openDatastore(page, carts().name);
    await openRestoreDialog(page, String(backup?.number));
    await chooseNew(page);
    await expect(dialog(page).getByRole("textbox", { name: `Type ${carts().name} to confirm` })).toBeHidden();
    await expect(note(page)).toContainText(`Nothing is overwritten: ${carts().name} runs on and keeps its data.`);
    await expect(dialog(page).getByRole("group", { name: "You are going to restore a backup" })).toBeHidden();
    await expect(dialog(page).getByText("Before anything is written the worker checks")).toBeVisible();
    await expectWellMade(page);
  });

  await test.step("what is missing is said at its field", async () => {
    await restore(page).click();
    await expect(field(page, /^Name/)).toHaveAttribute("aria-invalid", "true");
    await expect(field(page, /^Name/)).toBeFocused();
    await expect(field(page, /^Data directory/)).toHaveAccessibleDescription(/must be an empty directory on the worker's machine/);
    await field(page, /^Name/).fill(carts().name);
    await field(page, /^Data directory/).fill(directory);
    await field(page, /^Port/).fill("many");
    await restore(page).click();
    await expect(field(page, /^Port/)).toHaveAccessibleDescription(/must be a number between 1 and 65535/);
    await field(page, /^Port/).fill(String(await freePort()));
    await restore(page).click();
    await expect(field(page, /^Name/)).toHaveAccessibleDescription(/is taken/);
    await field(page, /^Name/).fill(copy);
    await expect(note(page)).toContainText(`is put into ${directory} and registered as ${copy}`);
    await page.screenshot({ path: test.info().outputPath("restore-into-new.png") });
  });

  await test.step("one that fails is told of there, and the same name is asked for again", async () => {
    writeFileSync(join(directory, "left"), "");
    await restore(page).click();
    await expect(page.getByRole("heading", { level: 1, name: copy, exact: true })).toBeVisible();
    await expect(jobPanel(page).getByRole("status").first()).toHaveText("Failed", { timeout: jobTimeout });
    await jobPanel(page).getByRole("button", { name: "Close job" }).click();
    await expect(page.getByText("Nothing was put into it. Restore into this name again, or delete the datastore.")).toBeVisible();
    await expectWellMade(page);
    rmSync(join(directory, "left"));
    await openDatastore(page, carts().name);
    await openRestoreDialog(page, String(backup?.number));
    await chooseNew(page);
    await field(page, /^Name/).fill(copy);
    await field(page, /^Data directory/).fill(directory);
    await field(page, /^Port/).fill(String(await freePort()));
  });

  await test.step("it is shown where it runs", async () => {
    await restore(page).click();
    await expect(dialog(page)).toBeHidden();
    await expect(page.getByRole("heading", { level: 1, name: copy, exact: true })).toBeVisible();
    await expect(jobPanel(page)).toBeVisible();
    await expectJobDone(page);
    made = await datastoreId(request, copy);
    await expect(page).toHaveURL(new RegExp(`/datastores/${made}/restores`));
    await jobPanel(page).getByRole("button", { name: "Close job" }).click();
    await expect(page.getByText(`into ${copy}`).first()).toBeVisible();
  });

  expect(readdirSync(directory)).not.toHaveLength(0);
  expect(await carts().run("GET looked-at")).toBe("before");
  expect((await request.delete(`/api/v1/datastores/${made}?forget_backups=true`)).status()).toBe(204);
  rmSync(directory, { recursive: true, force: true });
});

test("an instant goes along, and a guard is of the datastore that stays", async ({ page, request }) => {
  const archived = await archiveLogs(page, request, databases().postgresql.name);
  await page.goto(`/datastores/${archived.id}/backups`);
  await openRestoreDialog(page, "14");
  await dialog(page).getByRole("switch", { name: "Use point in time recovery" }).check();
  await dialog(page).getByText("Latest", { exact: true }).click();
  await chooseNew(page);
  await expect(note(page)).toContainText("Backup 14 with all of the archived log is put into the directory that you name");
  await field(page, /^Name/).fill("orders copy");
  await field(page, /^Data directory/).fill("/srv/copy");
  await dialog(page).getByText("systemd unit", { exact: true }).click();
  await field(page, /^Unit/).fill("postgresql@15-copy.service");
  await restore(page).click();
  await expect(dialog(page)).toBeHidden();
  expect(archived.sent).toMatchObject([
    {
      target: { kind: "new_datastore", name: "orders copy", data_directory: "/srv/copy", host: "127.0.0.1",
        service: { kind: "systemd", unit: "postgresql@15-copy.service" } },
      pitr_stop_time: "latest",
    },
  ]);
});

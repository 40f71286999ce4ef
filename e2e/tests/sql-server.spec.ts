import { type ChildProcess, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { expectJobDone, jobPanel, openRestoreDialog } from "../support/app.js";
import { datastoreId } from "../support/service-api.js";
import { expect, expectWellMade, type Page, test } from "../support/test.js";

/** The double of SQL Server: there is no real one for tests. */
class Double {
  port = "";
  shared = "";
  account = "";
  password = "";

  private constructor(private child: ChildProcess, private lines: AsyncIterator<string>) {}

  static async start(): Promise<Double> {
    const program = join(dirname(process.env.HOLDFAST_BIN ?? ""), "engines");
    const child = spawn("setpriv", ["--pdeathsig", "TERM", program, "mssql"], { stdio: ["pipe", "pipe", "inherit"] });
    const double = new Double(child, createInterface(child.stdout)[Symbol.asyncIterator]());
    const said = [await double.line(), await double.line(), await double.line()];
    [, double.port = "", double.shared = ""] = /^mssql port (\d+) shared (.*)$/.exec(said[0] ?? "") ?? [];
    [, double.account = "", double.password = ""] = /^account (\S+) password (.*)$/.exec(said[1] ?? "") ?? [];
    expect(double.port, said.join("\n")).not.toBe("");
    return double;
  }

  private async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error("the double has ended");
    return value;
  }

  private ask(order: string): Promise<string> {
    this.child.stdin?.write(`${order}\n`);
    return this.line();
  }

  async insert(note: string) {
    expect(await this.ask(`insert ${note}`)).toBe(`inserted ${note}`);
  }

  async entries(): Promise<string> {
    return (await this.ask("entries")).replace(/^entries /, "");
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("close", resolve));
    this.child.stdin?.end();
    await ended;
  }
}

const name = "Shop ledger";
let double: Double;

test.beforeAll(async () => {
  double = await Double.start();
});

test.afterAll(() => double.stop());

/** Takes a backup as a person does, of the type that is chosen from the menu. */
async function backUp(page: Page, type?: string): Promise<string> {
  if (type === undefined) {
    await page.getByRole("button", { name: "Back up now" }).click();
  } else {
    await page.getByRole("button", { name: "Types of backup" }).click();
    await page.getByRole("menuitem", { name: type }).click();
  }
  const heading = jobPanel(page).getByRole("heading", { level: 2 });
  await expect(heading).toHaveText(new RegExp(`^Backup \\d+ · ${name}$`));
  const number = /\d+/.exec(await heading.innerText())?.[0] ?? "";
  await expectJobDone(page);
  await jobPanel(page).getByRole("button", { name: "Close job" }).click();
  return number;
}

test("SQL Server's double: full, differential and log backups, back to a moment, and undone, by clicking", async ({ page, request }) => {
  test.setTimeout(240_000);
  let full = "";
  let moment = "";
  // Nobody listens there: what is asked of it is whether it can be chosen.
  const exchange = { name: "Exchange", kind: "s3", bucket: "exchange", endpoint: "https://127.0.0.1:9", access_key_id: "AK", secret_access_key: "secret" };
  const made = await request.post("/api/v1/storages", { data: exchange });
  expect(made.status(), await made.text()).toBe(201);
  const storage = ((await made.json()) as { id: string }).id;

  await test.step("register it; the page says what it was tested on", async () => {
    await page.goto("/datastores/new");
    await page.getByRole("radio", { name: /^SQL Server/ }).check();
    await expect(page.getByText(/tested on a wire-level double/).first()).toBeVisible();
    await expect(page.getByRole("textbox", { name: /^Data directory/ })).toBeHidden();
    await page.getByRole("radio", { name: "An S3 storage" }).check();
    await expect(page.getByLabel("Shared storage")).toContainText("Exchange");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByText("choose one; those of kind S3 are listed")).toBeVisible();
    await expect(page.getByLabel(/^As the server sees it/)).toBeHidden();
    await expectWellMade(page);
    await page.getByRole("radio", { name: "A shared directory" }).check();
    for (const [label, value] of [
      [/^Name/, name], [/^Host/, "127.0.0.1"], [/^Port/, double.port], [/^User/, double.account], [/^Password/, double.password],
      [/^As the server sees it/, double.shared], [/^As the worker sees it/, double.shared],
    ] as const) {
      await page.getByRole("textbox", { name: label }).or(page.getByLabel(label)).first().fill(value);
    }
    await expectWellMade(page);
    await page.screenshot({ path: test.info().outputPath("register.png"), fullPage: true });
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByRole("heading", { level: 1, name, exact: true })).toBeVisible();
  });

  await test.step("back up: full, differential, log", async () => {
    await double.insert("first");
    full = await backUp(page);
    await double.insert("second");
    await backUp(page, "Differential backup");
    await double.insert("third");
    await page.waitForTimeout(1500);
    moment = new Date().toISOString();
    await page.waitForTimeout(1500);
    await double.insert("mistake");
    await backUp(page, "Log backup");
    for (const type of ["full", "differential", "log"]) {
      await expect(page.getByRole("table", { name: "Backups" }).getByRole("cell", { name: new RegExp(`^${type}\\b`) })).toHaveCount(1);
    }
    await page.screenshot({ path: test.info().outputPath("backups.png"), fullPage: true });
  });

  await test.step("the recovery page shows how far one can go back", async () => {
    await page.getByRole("link", { name: "Recovery" }).click();
    await expect(page.getByRole("region", { name: "What can be restored" })).toContainText("3 backups");
    await expect(page.getByRole("heading", { name: "Find the mistake" })).toHaveCount(0);
    await expectWellMade(page);
    await page.screenshot({ path: test.info().outputPath("recovery.png"), fullPage: true });
    await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Backups" }).click();
  });

  await test.step("restore to just before the mistake", async () => {
    const dialog = await openRestoreDialog(page, full);
    await dialog.getByRole("switch", { name: "Use point in time recovery" }).check();
    const zone = await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
    const local = new Date(moment).toLocaleString("sv-SE", { timeZone: zone }).replace(" ", "T");
    await dialog.locator("input[type=datetime-local]").fill(local);
    await expect(dialog.getByText(/shop/).first()).toBeVisible({ timeout: 30_000 });
    await page.screenshot({ path: test.info().outputPath("restore.png") });
    await dialog.getByRole("textbox", { name: `Type ${name} to confirm` }).fill(name);
    await dialog.getByRole("button", { name: "Restore", exact: true }).click();
    await expect(dialog).toBeHidden();
    await expectJobDone(page);
    expect(await double.entries()).toBe("first,second,third");
  });

  await test.step("undo", async () => {
    await jobPanel(page).getByRole("button", { name: "Close job" }).click();
    await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Restores" }).click();
    await page.getByRole("table", { name: "Restores" }).getByRole("row").nth(1).getByRole("button", { name: "Undo" }).click();
    await page.getByRole("dialog", { name: "Undo a restore" }).getByRole("button", { name: "Undo", exact: true }).click();
    await expect(jobPanel(page).getByRole("heading", { level: 2 })).toHaveText(`Undo of a restore · ${name}`);
    await expectJobDone(page);
    expect(await double.entries()).toBe("first,second,third,mistake");
  });

  await test.step("a copy of a database beside it, and away again", async () => {
    await jobPanel(page).getByRole("button", { name: "Close job" }).click();
    await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Backups" }).click();
    const openCopies = async () => {
      const dialog = await openRestoreDialog(page, full);
      await dialog.getByRole("radio", { name: "Into new databases" }).check();
      await expect(dialog.getByRole("checkbox", { name: "shop", exact: true })).toBeVisible({ timeout: 30_000 });
      return dialog;
    };
    let dialog = await openCopies();
    const restore = dialog.getByRole("button", { name: "Restore", exact: true });
    const copyName = dialog.getByRole("textbox", { name: "Name of the copy of shop" });
    await expect(dialog.getByRole("textbox", { name: /^Type / })).toBeHidden();
    await copyName.fill("shop");
    await expect(dialog.getByRole("group", { name: "Obstacles" })).toContainText("has a database \"shop\" already", { timeout: 30_000 });
    await expect(restore).toBeDisabled();
    await copyName.fill("");
    await expect(dialog.getByText("must be a name")).toBeVisible();
    await copyName.fill("shop_copy");
    await expect(dialog.getByText("Nothing is overwritten")).toBeVisible();
    await expect(restore).toBeEnabled({ timeout: 30_000 });
    await expectWellMade(page);
    await page.screenshot({ path: test.info().outputPath("copies.png") });
    await page.setViewportSize({ width: 360, height: 740 });
    await expectWellMade(page);
    await page.screenshot({ path: test.info().outputPath("copies-phone.png") });
    await page.setViewportSize({ width: 1440, height: 900 });
    await restore.click();
    await expect(dialog).toBeHidden();
    await expectJobDone(page);
    await jobPanel(page).getByRole("button", { name: "Close job" }).click();
    expect(await double.entries()).toBe("first,second,third,mistake");

    dialog = await openCopies();
    await expect(dialog.getByRole("textbox", { name: "Name of the copy of shop" })).toHaveValue("shop_copy2");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Restores" }).click();
    const row = page.getByRole("table", { name: "Restores" }).getByRole("row").nth(1);
    await expect(row).toContainText("shop as shop_copy");
    await row.getByRole("button", { name: "Undo" }).click();
    const undo = page.getByRole("dialog", { name: "Undo a restore" });
    await expect(undo).toContainText("Takes shop_copy away");
    await undo.getByRole("button", { name: "Undo", exact: true }).click();
    await expectJobDone(page);
    await jobPanel(page).getByRole("button", { name: "Close job" }).click();
    await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Backups" }).click();
    dialog = await openCopies();
    await expect(dialog.getByRole("textbox", { name: "Name of the copy of shop" })).toHaveValue("shop_copy");
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });

  await test.step("pass backups through a storage from now on", async () => {
    await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Settings" }).click();
    await page.getByRole("radio", { name: "An S3 storage" }).check();
    await page.getByLabel("Shared storage").selectOption("Exchange");
    await page.getByRole("button", { name: "Save connection" }).click();
    await expect(page.getByText("Saved.", { exact: true })).toBeVisible({ timeout: 30_000 });
    await page.reload();
    await expect(page.getByRole("radio", { name: "An S3 storage" })).toBeChecked();
    await expect(page.getByLabel("Shared storage")).toHaveValue(storage);
    await page.screenshot({ path: test.info().outputPath("settings.png"), fullPage: true });
  });

  const id = await datastoreId(request, name);
  expect((await request.delete(`/api/v1/datastores/${id}?forget_backups=true`)).status()).toBe(204);
  expect((await request.delete(`/api/v1/storages/${storage}`)).status()).toBe(204);
});

import { expectJobDone, jobPanel, openActions } from "../support/app.js";
import { databases } from "../support/databases.js";
import { expect, expectWellMade, type Page, test } from "../support/test.js";

/** Everything that could end a quotation, open a tag or run a command. // F-91 */
const hostile = `O'Reilly "<b>$(x)</b>`;

interface Typed {
  name?: string;
  host?: string;
  port?: string;
  user?: string;
  password?: string;
}

/** Fills in the form for a PostgreSQL that nobody stops or starts. */
async function fill(page: Page, typed: Typed) {
  await page.getByRole("radio", { name: /^PostgreSQL/ }).check();
  for (const [label, value] of [
    ["Name", typed.name],
    ["Host", typed.host],
    [/^Port/, typed.port],
    [/^User/, typed.user],
    [/^Password/, typed.password],
  ] as const) {
    if (value !== undefined) await page.getByRole("textbox", { name: label, exact: typeof label === "string" }).fill(value);
  }
  await page.getByRole("radio", { name: "None" }).check();
}

const result = (page: Page) => page.getByRole("region", { name: "Test of the connection" });
const problem = (page: Page) => result(page).getByRole("listitem").filter({ hasText: "Problem:" });

async function testConnection(page: Page) {
  await page.getByRole("button", { name: "Test connection" }).click();
  await expect(result(page).getByRole("list", { name: "Findings" })).toBeVisible({ timeout: 60_000 });
}

/** The hostile name is text, and nothing else: no element came of it. */
async function expectText(page: Page) {
  expect(await page.locator("b").filter({ hasText: /^\$\(x\)$/ }).count(), "no tag came of the name").toBe(0);
}

test("a wrong password is told, with what mends it", async ({ page }) => {
  const { port, password } = databases().postgresql;
  await page.goto("/datastores/new");
  await fill(page, { host: "127.0.0.1", port: String(port), user: "holdfast", password: "not the password" });
  await testConnection(page);
  await expect(problem(page)).toContainText(/password authentication failed for user "holdfast"/);
  await expect(problem(page)).not.toContainText("not the password");
  await expect(problem(page)).not.toContainText("/dev/fd");
  await expect(problem(page).getByRole("button", { name: "Copy remedy" }), "what to do").toBeVisible();
  await expectWellMade(page);

  await fill(page, { password });
  await testConnection(page);
  await expect(problem(page)).toHaveCount(0);
  await expect(result(page)).toContainText("lets the user \"holdfast\" in");
});

test("a user's name that is none is told as text", async ({ page }) => {
  await page.goto("/datastores/new");
  await fill(page, { host: "127.0.0.1", port: String(databases().postgresql.port), user: hostile, password: "x" });
  await testConnection(page);
  await expect(problem(page)).toContainText("authentication failed for user");
  await expect(problem(page)).toContainText("<b>$(x)</b>");
  await expectText(page);
});

test("a host that nobody knows is told, with what to look at", async ({ page }) => {
  await page.goto("/datastores/new");
  await fill(page, { host: "no-such-host.invalid", user: "holdfast", password: "x" });
  await testConnection(page);
  await expect(problem(page)).toContainText("no-such-host.invalid:5432 can't be reached");
  await expect(problem(page).getByRole("button", { name: "Copy remedy" }), "what to do").toBeVisible();
});

test.describe("what is typed wrongly", () => {
  test.use({ expectedComplaints: [/status of 409/] });

  test("is told at its field, which gets the focus", async ({ page }) => {
    await page.goto("/datastores/new");
    await page.getByRole("button", { name: "Save" }).click();
    const name = page.getByRole("textbox", { name: "Name", exact: true });
    const port = page.getByRole("textbox", { name: /^Port/ });
    const unit = page.getByRole("textbox", { name: "Unit" });
    await expect(name).toHaveAttribute("aria-invalid", "true");
    await expect(name).toBeFocused();
    await expect(name).toHaveAccessibleDescription(/empty|missing|must/i);
    await expect(unit, "a unit must be named where systemd is chosen").toHaveAttribute("aria-invalid", "true");
    await expectWellMade(page);

    await name.fill("-starts with a dash");
    await expect(name, "typing takes the complaint away").toHaveAttribute("aria-invalid", "false");
    await port.fill("70000");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(name).toHaveAccessibleDescription(/dash/);
    await expect(port).toHaveAccessibleDescription(/between 1 and 65535/);

    await fill(page, { name: databases().postgresql.name, port: "5432" });
    await page.getByRole("button", { name: "Save" }).click();
    await expect(name, "the service's own word").toHaveAccessibleDescription(/is taken/);
    await expect(name).toBeFocused();
    await expect(page).toHaveURL(/\/datastores\/new$/);
  });
});

test("f91: a hostile name is text wherever it is shown, and its datastore can go again", async ({ page }) => {
  test.setTimeout(240_000);
  const { port, password } = databases().postgresql;
  await page.goto("/datastores/new");
  await fill(page, { name: hostile, host: "127.0.0.1", port: String(port), user: "holdfast", password });
  await page.getByRole("button", { name: "Save" }).click();

  const heading = page.getByRole("heading", { level: 1 });
  await expect(heading).toHaveText(hostile);
  await expect(page).toHaveURL(/\/datastores\/[0-9a-f-]{36}\/backups$/);
  await expect(page).toHaveTitle(`${hostile} · Holdfast`);
  await expect(page.getByRole("status").filter({ hasText: `${hostile} was added.` })).toBeVisible();
  await expect(page.getByText("No backup yet")).toBeVisible();
  await expectText(page);

  await page.getByRole("main").getByRole("button", { name: "Back up now" }).first().click();
  const title = jobPanel(page).getByRole("heading", { level: 2 });
  await expect(title).toHaveText(/^Backup \d+ · /);
  await expect(title).toContainText(hostile);
  await expectJobDone(page);
  await jobPanel(page).getByRole("button", { name: "Close job" }).click();

  // Nobody told how this server is stopped: the dialog says so, and the right name alone does not help.
  const actions = page.getByRole("button", { name: /^Actions for backup \d+$/ }).first();
  const number = /\d+/.exec((await actions.getAttribute("aria-label")) ?? "")?.[0] ?? "";
  await (await openActions(page, number)).getByRole("menuitem", { name: "Restore" }).click();
  const dialog = page.getByRole("dialog", { name: "Restore a backup" });
  await expect(dialog.getByRole("group", { name: "Obstacles" })).toContainText("stop and start the server", { timeout: 60_000 });
  await dialog.getByRole("textbox", { name: `Type ${hostile} to confirm` }).fill(hostile);
  await expect(dialog.getByRole("button", { name: "Restore", exact: true })).toBeDisabled();
  await expectText(page);
  await expectWellMade(page);
  await page.keyboard.press("Escape");

  await page.goto("/");
  const link = page.getByRole("table", { name: "Datastores" }).getByRole("link", { name: hostile, exact: true });
  await expect(link).toHaveText(hostile);
  await page.goto("/activity");
  await expect(page.getByRole("link", { name: `Backup ${number} · ${hostile}`, exact: true })).toBeVisible();
  await expectText(page);

  await page.goto("/");
  await link.click();
  await page.getByRole("navigation", { name: "Datastore" }).getByRole("link", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Delete datastore" }).click();
  const deletion = page.getByRole("dialog", { name: "Delete datastore" });
  const remove = deletion.getByRole("button", { name: "Delete", exact: true });
  await expect(remove).toBeDisabled();
  await deletion.getByRole("checkbox", { name: /^Forget its backups too/ }).check();
  await deletion.getByRole("textbox", { name: `Type ${hostile} to confirm` }).fill(hostile);
  await remove.click();
  await expect(page.getByRole("status").filter({ hasText: `${hostile} was deleted.` })).toBeVisible();
  await expect(page.getByRole("table", { name: "Datastores" })).toBeVisible();
  await expect(link).toHaveCount(0);
});

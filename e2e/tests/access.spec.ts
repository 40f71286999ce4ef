import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openActions, openRestoreDialog } from "../support/app.js";
import { databases } from "../support/databases.js";
import { start } from "../support/processes.js";
import { datastoreId, haveBackups } from "../support/service-api.js";
import { expect, expectWellMade, type Page, test } from "../support/test.js";

test.use({ expectedComplaints: [/status of (401|403|409|429)/] });

const orders = () => databases().postgresql.name;
const project = "0193a000-0000-7000-8000-0000000000aa";
const now = "2026-10-25T09:00:12Z";

const user = (name: string, grants: object[], more: object = {}) => ({
  id: `0193a000-0000-7000-8000-${name.length.toString().padStart(12, "0")}`, username: name, status: "active", source: "password", grants,
  two_factor: false, created_at: "2026-10-01T08:00:00Z", last_sign_in_at: "2026-10-25T08:00:00Z", ...more,
});
const everything = (role: string) => [{ role, project_id: null }];
const page_of = (items: object[]) => ({ items, total: items.length, next_cursor: null });

/** Has the service say that this person is signed in, on top of what it really is. */
async function signedInAs(page: Page, name: string, grants: object[], more: object = {}) {
  const me = { claimed: true, kind: "user", user: user(name, grants, more), token_name: null, grants };
  await page.route("**/api/v1/auth/me", (route) => route.fulfill({ json: me }));
  await page.route("**/api/v1/auth/options", (route) =>
    route.fulfill({ json: { claimed: true, oidc: null, encrypted: true, warnings: [] } }));
  return me;
}

const problem = (status: number, code: string, detail: string) => ({
  status,
  contentType: "application/problem+json",
  json: { type: `/docs/errors#${code}`, title: "Refused", status, detail, instance: "/", code },
});

test("any page leads to the sign-in and back, with a second factor and a wait", async ({ page }) => {
  let signedIn = false;
  const sent: object[] = [];
  const me = { claimed: true, kind: "user", user: user("ada", everything("viewer")), token_name: null, grants: everything("viewer") };
  await page.route("**/api/v1/**", (route) => (signedIn ? route.fallback() : route.fulfill(problem(401, "unauthenticated", "There are no credentials."))));
  await page.route("**/api/v1/auth/me", (route) => (signedIn ? route.fulfill({ json: me }) : route.fallback()));
  await page.route("**/api/v1/auth/options", (route) =>
    route.fulfill({ json: { claimed: true, oidc: { name: "Example" }, encrypted: false, warnings: ["unencrypted"] } }));
  await page.route("**/api/v1/auth/login", (route) => {
    const body = route.request().postDataJSON() as { password: string; code?: string };
    sent.push({ ...body, header: route.request().headers()["x-holdfast-request"] });
    if (sent.length === 1) {
      return route.fulfill({ ...problem(429, "too_many_requests", "Wait."), headers: { "Retry-After": "2" } });
    }
    if (!body.code) return route.fulfill(problem(401, "second_factor_required", "A code is needed."));
    signedIn = true;
    return route.fulfill({ json: me });
  });

  await page.goto("/activity?status=failed");
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
  expect(new URL(page.url()).searchParams.get("return_to")).toBe("/activity?status=failed");
  await expect(page.getByLabel("User name")).toBeFocused();
  await expect(page.getByRole("textbox", { name: "Code" })).toHaveCount(0);
  await expect(page.getByRole("region", { name: "Warnings" })).toContainText("This connection is not encrypted");
  await expect(page.getByRole("link", { name: "Sign in with Example" })).toHaveAttribute("href", /oidc\/start\?return_to=%2Factivity%3Fstatus%3Dfailed$/);
  await expectWellMade(page);

  await page.keyboard.type("ada");
  await page.keyboard.press("Tab");
  await page.keyboard.type("a long pass phrase");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("status").filter({ hasText: "Too many attempts. Try again in" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Sign in", exact: true })).toBeDisabled();
  await expect(page.getByRole("button", { name: "Sign in", exact: true })).toBeEnabled();
  await page.getByLabel("Password").press("Enter");
  await expect(page.getByLabel("Code")).toBeFocused();
  await page.keyboard.type("123456");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/activity\?status=failed$/);
  await expect(page.getByRole("heading", { level: 1, name: "Activity" })).toBeVisible();
  expect(sent.at(-1)).toEqual({ username: "ada", password: "a long pass phrase", code: "123456", header: "1" });

  // The session ends while a page is shown.
  signedIn = false;
  await page.getByRole("link", { name: "Workers" }).click();
  await expect(page).toHaveURL(/\/sign-in\?return_to=%2Fworkers$/);
});

test("a made-up way back leads to the first page", async ({ page }) => {
  await signedInAs(page, "ada", everything("viewer"));
  await page.route("**/api/v1/auth/login", (route) =>
    route.fulfill({ json: { claimed: true, kind: "user", user: user("ada", everything("viewer")), token_name: null, grants: everything("viewer") } }));
  for (const elsewhere of ["//example.com/", "https://example.com/", "/\\example.com", "javascript:alert(1)", "/sign-in"]) {
    await page.goto(`/sign-in?return_to=${encodeURIComponent(elsewhere)}`);
    await page.getByLabel("User name").fill("ada");
    await page.getByLabel("Password").fill("a long pass phrase");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Datastores" })).toBeVisible();
    expect(new URL(page.url()).pathname).toBe("/");
  }
});

test("what a viewer may not do is not offered, and says which role it takes", async ({ page, request }) => {
  await signedInAs(page, "vera", everything("viewer"));
  const id = await datastoreId(request, orders());
  const [newest] = await haveBackups(request, id, 1);
  await page.goto("/");
  await expect(page.getByRole("table", { name: "Datastores" }).getByRole("row").nth(1)).toBeVisible();
  await expect(page.getByRole("link", { name: "Add datastore" })).toHaveCount(0);
  const back = page.getByRole("button", { name: "Back up now" }).first();
  await expect(back).toHaveAttribute("aria-disabled", "true");
  await expect(back).toHaveAttribute("title", "Needs the role operator.");

  await page.goto(`/datastores/${id}/backups`);
  const menu = await openActions(page, String(newest?.number));
  for (const [name, role] of [["Restore", "administrator"], ["Verify", "operator"], ["Hold", "operator"], ["Delete", "administrator"]] as const) {
    await expect(menu.getByRole("menuitem", { name })).toBeDisabled();
    await expect(menu.getByRole("menuitem", { name })).toHaveAccessibleDescription(`Needs the role ${role}.`);
  }
  await expect(menu.getByRole("menuitem", { name: "View log" })).toBeEnabled();
  await expectWellMade(page);

  await page.goto(`/datastores/${id}/settings`);
  await expect(page.getByRole("button", { name: "Delete datastore" })).toBeDisabled();
  await expect(page.getByRole("switch", { name: "Restore guard" })).toBeDisabled();
  await expect(page.getByRole("button", { name: "Test connection" })).toBeDisabled();
  await expectWellMade(page);
  for (const path of ["/access", "/access/projects", "/audit"]) {
    await page.goto(path);
    await expect(page.getByText("Needs the role administrator for everything.")).toBeVisible();
    await expectWellMade(page);
  }
});

test("roles for a project count for its datastores alone", async ({ page, request }) => {
  await signedInAs(page, "olga", [{ role: "viewer", project_id: null }, { role: "operator", project_id: project }]);
  const id = await datastoreId(request, orders());
  await page.route("**/api/v1/datastores?*", async (route) => {
    const answer = await route.fetch();
    const list = (await answer.json()) as { items: { id: string }[] };
    await route.fulfill({ response: answer, json: { ...list, items: list.items.map((one) => (one.id === id ? { ...one, project_id: project } : one)) } });
  });
  await page.goto("/");
  const row = (name: string) => page.getByRole("table", { name: "Datastores" }).getByRole("row").filter({ hasText: name });
  await expect(row(orders()).getByRole("button", { name: "Back up now" })).toHaveAttribute("aria-disabled", "false");
  await expect(row(databases().keyValue.name).getByRole("button", { name: "Back up now" })).toHaveAttribute("aria-disabled", "true");
});

test("users: added with a link that is shown once, and changed", async ({ page }) => {
  await signedInAs(page, "admin", everything("administrator"));
  const sent: unknown[] = [];
  const users = [user("admin", everything("administrator")), user("a-very-long-user-name-that-does-not-end-soon@example.com", [{ role: "operator", project_id: project }], { status: "invited", last_sign_in_at: null })];
  await page.route("**/api/v1/projects*", (route) => route.fulfill({ json: page_of([{ id: project, name: "Shop", datastores: 2, created_at: now }]) }));
  await page.route(/\/api\/v1\/users(\?.*)?$/, (route) => {
    if (route.request().method() === "GET") return route.fulfill({ json: page_of(users) });
    sent.push(route.request().postDataJSON());
    const made = user("vera", everything("viewer"), { status: "invited" });
    users.push(made);
    return route.fulfill({ status: 201, json: { user: made, setup_link_token: "made-up-token", expires_at: "2026-10-26T09:00:00Z" } });
  });
  await page.route(/\/api\/v1\/users\/[^/]+$/, (route) => {
    sent.push(route.request().postDataJSON());
    return route.fulfill(problem(409, "last_administrator", "admin is the last administrator of everything."));
  });
  await page.goto("/access");
  const table = page.getByRole("table", { name: "Users" });
  await expect(table.getByRole("row").nth(2)).toContainText("Operator in Shop");
  await expectWellMade(page);

  await page.getByRole("button", { name: "Add user" }).click();
  const dialog = page.getByRole("dialog", { name: "Add user" });
  await expect(dialog.getByLabel("User name")).toBeFocused();
  await page.keyboard.type("vera");
  await dialog.getByRole("button", { name: "Another role" }).click();
  await dialog.getByRole("group", { name: "Role 2" }).getByLabel("Role", { exact: true }).selectOption("operator");
  await dialog.getByRole("group", { name: "Role 2" }).getByLabel("For").selectOption("Project Shop");
  await expect(dialog.getByText("Also backs up, verifies")).toBeVisible();
  await expectWellMade(page);
  await dialog.getByRole("button", { name: "Add user" }).click();
  const link = page.getByRole("dialog", { name: "Link for vera" });
  await expect(link.locator("pre")).toHaveText(/^http:\/\/.*\/setup#made-up-token$/);
  await expectWellMade(page);
  await link.getByRole("button", { name: "Done" }).click();
  await expect(link).toBeHidden();
  await expect(page.getByText("made-up-token")).toHaveCount(0);
  expect(sent).toEqual([{ username: "vera", grants: [{ role: "viewer", project_id: null }, { role: "operator", project_id: project }] }]);

  await page.getByRole("button", { name: "Actions for admin" }).click();
  await expect(page.getByRole("menuitem", { name: "Delete" })).toBeDisabled();
  await page.getByRole("menuitem", { name: "Change roles" }).click();
  const roles = page.getByRole("dialog", { name: "Roles of admin" });
  await roles.getByLabel("Role", { exact: true }).selectOption("viewer");
  await roles.getByRole("button", { name: "Save" }).click();
  await expect(roles.getByRole("alert")).toContainText("admin is the last administrator of everything.");
});

test("tokens and projects", async ({ page }) => {
  await signedInAs(page, "admin", everything("administrator"));
  const sent: unknown[] = [];
  const token = { id: project, name: "nightly", kind: "api", role: "operator", project_id: null, created_by: "admin", created_at: now, expires_at: "2026-01-01T00:00:00Z", last_used_at: null };
  await page.route("**/api/v1/projects*", (route) => route.fulfill({ json: page_of([{ id: project, name: "Shop", datastores: 0, created_at: now }]) }));
  await page.route("**/api/v1/tokens*", (route) => {
    if (route.request().method() === "GET") return route.fulfill({ json: page_of([token, { ...token, id: "0193a000-0000-7000-8000-0000000000bb", name: "worker-2", kind: "worker", role: null, expires_at: null }]) });
    sent.push(route.request().postDataJSON());
    return route.fulfill({ status: 201, json: { token, secret: "hfa_made-up" } });
  });
  await page.goto("/access/tokens");
  const table = page.getByRole("table", { name: "Tokens" });
  await expect(table.getByRole("row").nth(1)).toContainText("Expired");
  await expect(table.getByRole("row").nth(2)).toContainText("Take and report jobs");
  await expectWellMade(page);
  await page.getByRole("button", { name: "Create token" }).click();
  const dialog = page.getByRole("dialog", { name: "Create token" });
  await dialog.getByLabel("Name").fill("ci");
  await dialog.getByLabel("Role", { exact: true }).selectOption("operator");
  await expectWellMade(page);
  await dialog.getByRole("button", { name: "Create token" }).click();
  await expect(page.getByRole("dialog", { name: "Token nightly" }).locator("pre")).toHaveText("hfa_made-up");
  await page.keyboard.press("Escape");
  expect(sent).toEqual([{ name: "ci", kind: "api", role: "operator", project_id: null, expires_in_days: 90 }]);
  await table.getByRole("button", { name: "Revoke nightly" }).click();
  await expectWellMade(page);
  await page.keyboard.press("Escape");

  await page.getByRole("navigation", { name: "Access" }).getByRole("link", { name: "Projects" }).click();
  await expect(page.getByRole("table", { name: "Projects" }).getByRole("row").nth(1)).toContainText("Shop");
  await expectWellMade(page);
});

test("the audit log: filters are in the address, pages follow a cursor, exports take the filters along", async ({ page }) => {
  await signedInAs(page, "admin", everything("administrator"));
  const asked: string[] = [];
  const event = (id: number, more: object = {}) => ({
    id, at: "2026-10-25T08:59:41Z", actor: { kind: "user", id: null, name: "ada" }, action: "backup_create",
    subject: { kind: "backup", id: null, name: "14" }, datastore_id: null, from_address: "127.0.0.1", outcome: "succeeded",
    detail: null, request_id: "r-1", hash: "00", ...more,
  });
  await page.route("**/api/v1/audit-events*", (route) => {
    const query = new URL(route.request().url()).searchParams;
    asked.push(query.toString());
    if (query.get("cursor")) return route.fulfill({ json: { items: [event(1)], total: 3, next_cursor: null } });
    return route.fulfill({ json: { items: [event(3), event(2, { outcome: "refused", detail: "It needs the role operator on this datastore, which is a sentence of some length.", actor: { kind: "anonymous", id: null, name: "nobody" } })], total: 3, next_cursor: "next" } });
  });
  await page.goto("/audit?outcome=refused");
  const rows = page.getByRole("table", { name: "Audit log" }).getByRole("row");
  await expect(rows).toHaveCount(3);
  expect(asked.at(-1)).toBe("outcome=refused");
  await expectWellMade(page);
  await page.getByRole("button", { name: "Show more" }).click();
  await expect(rows).toHaveCount(4);
  await page.getByLabel("Who").fill("ada");
  await page.getByLabel("Who").press("Enter");
  await expect(page).toHaveURL(/actor=ada/);
  await expect.poll(() => asked.at(-1)).toContain("actor=ada");
  await expect(page.getByRole("link", { name: "Export CSV" })).toHaveAttribute("href", /export\?format=csv&actor=ada&outcome=refused$/);
});

test("profile: password, second factor with its codes once, sessions", async ({ page }) => {
  await signedInAs(page, "ada", everything("operator"));
  await page.route("**/api/v1/auth/sessions", (route) =>
    route.fulfill({ json: page_of([
      { id: project, created_at: now, last_used_at: now, from_address: "127.0.0.1", user_agent: "Mozilla/5.0 Chrome/130", current: true },
      { id: "0193a000-0000-7000-8000-0000000000bb", created_at: now, last_used_at: now, from_address: "192.0.2.7", user_agent: "curl/8", current: false },
    ]) }));
  await page.route("**/api/v1/auth/two-factor", (route) =>
    route.fulfill({ json: { secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", otpauth_uri: "otpauth://totp/Holdfast:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Holdfast" } }));
  await page.route("**/api/v1/auth/two-factor/confirm", (route) =>
    route.fulfill({ json: { recovery_codes: Array.from({ length: 10 }, (_, number) => `abcd-efgh-${number}`) } }));
  await page.goto("/");
  await page.getByRole("button", { name: "Account of ada" }).click();
  await page.getByRole("menuitem", { name: "Profile" }).click();
  await expect(page.getByRole("table", { name: "Sessions" }).getByRole("row").nth(1)).toContainText("This one");
  await expectWellMade(page);

  await page.getByLabel("Current password").fill("what it was before");
  await page.getByLabel("New password").fill("too short");
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByLabel("New password")).toHaveAccessibleDescription(/at least 12 characters/);
  await page.getByLabel("New password").fill("a longer pass phrase");
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByLabel("The same again")).toHaveAccessibleDescription(/is not the same/);

  await page.getByRole("button", { name: "Set up" }).click();
  const dialog = page.getByRole("dialog", { name: "Set up a second factor" });
  await expect(dialog.getByRole("img", { name: "QR code of the secret" })).toBeVisible();
  await expectWellMade(page);
  await dialog.getByRole("textbox", { name: "Code" }).fill("123456");
  await page.keyboard.press("Enter");
  const codes = page.getByRole("dialog", { name: "Recovery codes" });
  await expect(codes.locator("pre")).toContainText("abcd-efgh-9");
  await expectWellMade(page);
  await codes.getByRole("button", { name: "Done" }).click();
});

test("a guarded restore is asked for, and decided by another", async ({ page, request }) => {
  await signedInAs(page, "admin", everything("administrator"));
  const id = await datastoreId(request, orders());
  const [newest] = await haveBackups(request, id, 1);
  const sent: unknown[] = [];
  await page.route(`**/api/v1/datastores/${id}`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), restore_guard: true } });
  });
  const approval = { status: "requested", requested_by: "bob", requested_at: now, expires_at: "2026-10-26T09:00:12Z", decided_by: null, decided_at: null, note: null };
  const restore = (number: number, one: object) => ({
    id: `0193a000-0000-7000-8000-00000000000${number}`, datastore_id: id, backup_id: newest?.id, backup_number: newest?.number, target: { kind: "in_place" },
    pitr_stop_time: null, pitr_stop_position: null, reached_position: null, reached_commit_at: null, status: number < 3 ? "pending" : "cancelled", phase: "checking",
    job_id: project, progress: null, created_at: now, started_at: null, ended_at: null, duration_seconds: null, downtime_seconds: null, undo_until: null, error: null,
    approval: { ...approval, ...one },
  });
  await page.route(new RegExp(`/api/v1/datastores/${id}/restores`), (route) =>
    route.fulfill({ json: page_of([restore(1, {}), restore(2, { requested_by: "admin" }), restore(3, { status: "refused", decided_by: "eve", note: "Not during the sale." })]) }));
  await page.route("**/api/v1/restores/*/approve", (route) => {
    sent.push(route.request().postDataJSON());
    return route.fulfill({ json: restore(1, { status: "approved", decided_by: "admin" }) });
  });
  await page.route("**/api/v1/backups/*/restore", (route) => route.fulfill({ status: 202, json: restore(2, { requested_by: "admin" }) }));
  await page.goto(`/datastores/${id}/backups`);
  const dialog = await openRestoreDialog(page, String(newest?.number));
  await dialog.getByRole("textbox", { name: `Type ${orders()} to confirm` }).fill(orders());
  await expect(dialog.getByText("This datastore is guarded")).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Ask for approval" })).toBeEnabled();
  await expectWellMade(page);
  await dialog.getByRole("button", { name: "Ask for approval" }).click();
  await expect(page).toHaveURL(new RegExp(`/datastores/${id}/restores$`));
  const rows = page.getByRole("table", { name: "Restores" }).getByRole("row");
  await expect(rows.nth(1)).toContainText("Waits for approval");
  await expect(rows.nth(2).getByRole("button", { name: "Approve" })).toBeDisabled();
  await expect(rows.nth(2)).toContainText("Another administrator has to decide.");
  await expect(rows.nth(3)).toContainText("Refused by eve");
  await expectWellMade(page);
  await rows.nth(1).getByRole("button", { name: "Approve" }).click();
  const decision = page.getByRole("dialog", { name: /Approve the restore/ });
  await decision.getByLabel("Note").fill("Go ahead.");
  await expectWellMade(page);
  await decision.getByRole("button", { name: "Approve" }).click();
  await expect(decision).toBeHidden();
  expect(sent).toEqual([{ note: "Go ahead." }]);
});

test.describe("a service of its own", () => {
  let setup: string;

  test.use({
    baseURL: async ({}, use) => {
      const directory = await mkdtemp(join(tmpdir(), "holdfast-access-"));
      const command = [process.env.HOLDFAST_BIN as string, "serve", "--no-worker", "--listen", "127.0.0.1:0", "--data-dir", join(directory, "data")];
      const service = await start(command, /setup#/);
      setup = /http:\S+/.exec(service.line)?.[0] ?? "";
      await use(new URL(setup).origin);
      await service.stop();
      await rm(directory, { recursive: true, force: true });
    },
  });

  test("is claimed by its link, takes in a viewer who can change nothing, and signs out", async ({ page, browser, baseURL }) => {
    await page.goto("/");
    await expect(page.getByRole("region", { name: "Warnings" })).toContainText("Nobody has set the administrator's password yet");
    await page.goto(setup);
    await expect(page.getByRole("heading", { level: 1, name: "Set your password" })).toBeVisible();
    expect(new URL(page.url()).hash, "the secret does not stay in the address").toBe("");
    await expectWellMade(page);
    await page.getByLabel("New password").fill("correct horse battery");
    await page.getByLabel("The same again").fill("correct horse battery");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { level: 1, name: "Datastores" })).toBeVisible();
    await expect(page.getByRole("region", { name: "Warnings" })).toHaveCount(0);

    await page.getByRole("link", { name: "Access" }).click();
    await page.getByRole("button", { name: "Add user" }).click();
    await page.getByRole("dialog").getByLabel("User name").fill("vera");
    await page.keyboard.press("Enter");
    const link = await page.getByRole("dialog", { name: "Link for vera" }).locator("pre").innerText();
    await page.getByRole("button", { name: "Done" }).click();
    await expect(page.getByRole("table", { name: "Users" }).getByRole("row").filter({ hasText: "vera" })).toContainText("Invited");

    const context = await browser.newContext({ baseURL });
    const other = await context.newPage();
    await other.goto(link);
    await other.getByLabel("New password").fill("another long phrase");
    await other.getByLabel("The same again").fill("another long phrase");
    await other.keyboard.press("Enter");
    await expect(other.getByRole("button", { name: "Account of vera" })).toBeVisible();
    await expect(other.getByRole("link", { name: "Add datastore" })).toHaveCount(0);
    await other.goto("/audit");
    await expect(other.getByText("Needs the role administrator for everything.")).toBeVisible();
    await context.close();

    await page.goto("/audit");
    await expect(page.getByRole("table", { name: "Audit log" })).toContainText("vera");
    await page.getByRole("button", { name: "Account of admin" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
    await page.goto("/storages");
    await expect(page).toHaveURL(/\/sign-in\?return_to=%2Fstorages$/);
    await page.getByLabel("User name").fill("admin");
    await page.getByLabel("Password").fill("correct horse battery");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { level: 1, name: "Storages" })).toBeVisible();
  });
});

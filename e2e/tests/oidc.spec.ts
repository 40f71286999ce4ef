// Sign-in by an identity provider, in a browser: a certified provider, and a service of its own that knows it. The other tests'
// fixture would object to the provider's pages.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { freePort, type Process, start } from "../support/processes.js";

let directory: string;
let provider: Process;
let service: Process;
let url: string;

test.beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-oidc-"));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const script = join(import.meta.dirname, "../support/identity-provider.mjs");
  provider = await start([process.execPath, script, `${url}/api/v1/auth/oidc/callback`], /^http:/);
  const secret = join(directory, "secret");
  await writeFile(secret, "a secret of the tests\n", { mode: 0o600 });
  service = await start(
    [
      process.env.HOLDFAST_BIN as string, "serve", "--no-worker", "--listen", `127.0.0.1:${port}`,
      "--data-dir", join(directory, "data"), "--oidc-issuer", provider.line, "--oidc-client-id", "holdfast",
      "--oidc-client-secret-file", secret, "--oidc-name", "Example",
      "--oidc-role", "admins=administrator", "--oidc-role", "dba=operator", "--oidc-role", "readers=viewer",
    ],
    /ready at/,
    { HOLDFAST_LOG: "info" },
  );
});

test.afterAll(async () => {
  await service?.stop();
  await provider?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Signs in on the provider's own pages, as far as they come. */
async function signIn(page: Page, name: string, returnTo = "/") {
  await page.goto(`${url}/api/v1/auth/oidc/start?return_to=${encodeURIComponent(returnTo)}`);
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
  // The provider asks whether Holdfast may know who this is.
  await page.locator("button[type=submit]").click();
  await page.waitForURL(`${url}/**`);
}

/** Who the service takes the browser for; null for nobody. */
async function me(page: Page) {
  const answer = await page.request.get(`${url}/api/v1/auth/me`);
  if (answer.status() === 401) return null;
  return (await answer.json()) as { kind: string; user: { username: string; source: string }; grants: unknown[] };
}

test("somebody with a mapped group signs in, is who the provider says, and signs out", async ({ page, context }) => {
  await signIn(page, "ada-of-admins", "/activity");
  expect(new URL(page.url()).pathname).toBe("/activity");
  const known = await me(page);
  expect(known?.user).toMatchObject({ username: "ada-of-admins", source: "oidc" });
  expect(known?.grants).toEqual([{ role: "administrator", project_id: null }]);
  const session = (await context.cookies(url)).find((cookie) => cookie.name === "holdfast_session");
  expect(session).toMatchObject({ httpOnly: true, sameSite: "Strict", path: "/" });
  expect((await context.cookies(`${url}/api/v1/auth/oidc`)).map((cookie) => cookie.name)).toEqual(["holdfast_session"]);
  const out = await page.request.post(`${url}/api/v1/auth/logout`, { headers: { "X-Holdfast-Request": "1" } });
  expect(out.status()).toBe(204);
  // From its first administrator on nobody comes in without credentials.
  expect(await me(page)).toBeNull();
});

test("a lower role is a lower role", async ({ page }) => {
  await signIn(page, "rosa-of-readers");
  expect((await me(page))?.grants).toEqual([{ role: "viewer", project_id: null }]);
  const forbidden = await page.request.post(`${url}/api/v1/storages`, {
    headers: { "X-Holdfast-Request": "1" },
    data: { name: "x", kind: "local", path: "/x" },
  });
  expect(forbidden.status()).toBe(403);
});

test("nobody without a mapped group gets in", async ({ page }) => {
  await signIn(page, "eve-of-guests");
  expect(page.url()).toBe(`${url}/sign-in?error=forbidden`);
  expect(await me(page)).toBeNull();
});

test("a link back from the provider is good for nobody else, and for nobody twice", async ({ page, browser }) => {
  let callback = "";
  page.on("request", (request) => {
    if (request.url().startsWith(`${url}/api/v1/auth/oidc/callback?`)) callback = request.url();
  });
  await signIn(page, "rosa-of-readers");
  expect(callback).toContain("code=");
  const other = await browser.newPage();
  await other.goto(callback);
  expect(other.url()).toBe(`${url}/sign-in?error=sign_in_expired`);
  expect(await me(other)).toBeNull();
  await other.close();
  await page.goto(callback);
  expect(page.url()).toBe(`${url}/sign-in?error=sign_in_expired`);
});

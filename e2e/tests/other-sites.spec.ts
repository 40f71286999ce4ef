// What pages of another site can do with a browser that is at home in Holdfast. They are not the tests' own pages.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "@playwright/test";

let server: Server;
let evil: string;

test.beforeAll(async () => {
  const service = process.env.HOLDFAST_URL as string;
  const body = JSON.stringify({ name: "evil", kind: "local", path: "/evil" });
  const pages: Record<string, string> = {
    // A form may send text that is JSON.
    "/form": `<form method="post" enctype="text/plain" action="${service}/api/v1/storages">
      <input name='${body.slice(0, -1)},"x":"' value='"}'></form><script>document.forms[0].submit()</script>`,
    "/frame": `<iframe src="${service}/"></iframe>`,
    "/empty": "<p>Nothing here</p>",
  };
  server = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(pages[request.url ?? ""] ?? "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  evil = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

test.afterAll(() => new Promise<void>((resolve) => void server.close(() => resolve())));

test("f86: a form of another site changes nothing", async ({ page }) => {
  const refused = page.waitForResponse((response) => response.url().endsWith("/api/v1/storages"));
  await page.goto(`${evil}/form`);
  expect((await refused).status()).toBe(403);
});

test("f86: a script of another site can neither change nor read", async ({ page }) => {
  await page.goto(`${evil}/empty`);
  const service = process.env.HOLDFAST_URL as string;
  const attempts = await page.evaluate(async (address) => {
    const attempt = (init: RequestInit) =>
      fetch(`${address}/api/v1/storages`, { credentials: "include", ...init }).then(
        (answer) => `${answer.type} ${answer.status}`,
        () => "refused",
      );
    const json = { "Content-Type": "application/json", "X-Holdfast-Request": "1" };
    return [
      await attempt({}),
      await attempt({ method: "POST", headers: json, body: "{}" }),
      await attempt({ method: "POST", mode: "no-cors", body: "{}" }),
    ];
  }, service);
  // The browser itself keeps the last answer from the page; whatever it was, nothing was made of it.
  expect(attempts.slice(0, 2)).toEqual(["refused", "refused"]);
  expect(attempts[2]).toMatch(/^(opaque 0|refused)$/);
});

test("f91: no page of Holdfast is shown inside another site's", async ({ page }) => {
  const complaint = page.waitForEvent("console", (message) => /frame/i.test(message.text()));
  await page.goto(`${evil}/frame`);
  expect((await complaint).text()).toMatch(/frame-ancestors|X-Frame-Options/i);
});

import { expect, expectAccessible, test } from "../support/test.js";

test("the service is up and its page is usable", async ({ page, request }) => {
  expect((await request.get("/healthz")).status()).toBe(200);

  await page.goto("/");
  await expect(page).toHaveTitle(/Holdfast/);
  await expect(page.getByRole("main")).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expectAccessible(page);

  const width = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  expect(width[0], "no sideways scrolling").toBeLessThanOrEqual(width[1] ?? 0);
});

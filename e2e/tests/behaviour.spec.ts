import { expectJobDone, jobPanel, openActions, openDatastore } from "../support/app.js";
import { databases } from "../support/databases.js";
import { datastoreId, newestBackup, takeBackup } from "../support/service-api.js";
import { expect, type Page, test } from "../support/test.js";
import { openWay, type Way } from "../support/way.js";

const shop = () => databases().keyValue.name;

/** Presses Tab until `name` has the focus; a person would give up as well. */
async function tabTo(page: Page, role: "button" | "link", name: string) {
  const wanted = page.getByRole(role, { name, exact: true });
  for (let presses = 0; presses < 30; presses++) {
    await page.keyboard.press("Tab");
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error(`the keyboard does not get to ${name}`);
}

test("the main job's way with the keyboard alone", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await page.goto(`/datastores/${id}/backups`);
  await expect(page.getByRole("table", { name: "Backups" })).toBeVisible();

  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();

  await tabTo(page, "button", "Back up now");
  await page.keyboard.press("Enter");
  const panel = jobPanel(page);
  await expect(panel.getByRole("heading", { level: 2 })).toBeFocused();
  const number = /\d+/.exec(await panel.getByRole("heading", { level: 2, name: /^Backup \d+ · / }).innerText())?.[0] ?? "";
  await expectJobDone(page);
  await page.keyboard.press("Escape");
  await expect(panel).toBeHidden();
  await expect(page.getByRole("button", { name: "Back up now" }), "the focus is where it came from").toBeFocused();

  const actions = page.getByRole("button", { name: `Actions for backup ${number}`, exact: true });
  await tabTo(page, "button", `Actions for backup ${number}`);
  await page.keyboard.press("Enter");
  const item = (name: string) => page.getByRole("menuitem", { name });
  await expect(item("Restore")).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await expect(item("Verify")).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await expect(item("Delete"), "round the end").toBeFocused();
  await page.keyboard.press("Escape");
  await expect(item("Delete")).toBeHidden();
  await expect(actions).toBeFocused();

  await page.keyboard.press("Enter");
  await expect(item("Restore")).toBeFocused();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Restore a backup" });
  await expect(dialog).toBeVisible();
  const isInside = () => dialog.evaluate((element) => element.contains(document.activeElement));
  expect(await isInside()).toBe(true);
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await expect(actions).toBeFocused();
});

test("a job's panel survives a reload, and Back leaves it", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  const { number } = await newestBackup(request, id);
  await openDatastore(page, shop());
  await (await openActions(page, number)).getByRole("menuitem", { name: "View log" }).click();
  const heading = jobPanel(page).getByRole("heading", { level: 2 });
  await expect(heading).toHaveText(`Backup ${number} · ${shop()}`);
  const lines = jobPanel(page).getByRole("log");
  await expect(lines).not.toHaveText(/No lines yet/);

  await page.reload();
  await expect(heading).toHaveText(`Backup ${number} · ${shop()}`);
  await expect(page.getByRole("table", { name: "Backups" })).toBeVisible();
  await page.goBack();
  await expect(jobPanel(page)).toBeHidden();
  await expect(page.getByRole("heading", { level: 1, name: shop() })).toBeVisible();
});

test("times are the viewer's, or UTC where that is chosen", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  const time = page.getByRole("table", { name: "Backups" }).getByRole("time").first();
  const written = async (timeZone: string) => {
    const at = new Date((await time.getAttribute("datetime")) ?? "");
    // Swedish writes dates as ISO 8601 does.
    return at.toLocaleString("sv-SE", { timeZone });
  };
  await page.goto(`/datastores/${id}/backups`);
  await expect(time).toBeVisible();
  const [local, utc] = [await written("Europe/Berlin"), await written("UTC")];
  expect(local).not.toBe(utc);
  await expect(time).toHaveText(local);
  await expect(time, "both in the tooltip").toHaveAttribute("title", new RegExp(`ago\n${local} UTC\\+0[12]:00\n${utc} UTC$`));

  await page.getByRole("button", { name: "UTC", exact: true }).click();
  await expect(time).toHaveText(utc);
  await page.reload();
  await expect(time, "the choice is remembered").toHaveText(utc);
  await page.getByRole("button", { name: "Local", exact: true }).click();
  await expect(time).toHaveText(local);
});

test("search and order are kept in the address", async ({ page }) => {
  await page.goto("/");
  const names = page.getByRole("table", { name: "Datastores" }).locator("tbody").getByRole("link");
  await expect(names).toHaveText(["Shop carts", "Shop catalogue", "Shop orders"]);
  await page.getByRole("button", { name: "Datastore", exact: true }).click();
  await expect(names).toHaveText(["Shop orders", "Shop catalogue", "Shop carts"]);
  await page.getByRole("searchbox", { name: "Search datastores" }).fill("ca");
  await expect(names).toHaveText(["Shop catalogue", "Shop carts"]);
  await page.reload();
  await expect(names).toHaveText(["Shop catalogue", "Shop carts"]);
  await page.getByRole("searchbox", { name: "Search datastores" }).fill("nobody");
  await expect(page.getByText("No datastore fits the search.")).toBeVisible();
  await page.getByRole("button", { name: "Clear search" }).click();
  await expect(names).toHaveCount(3);
});

test.describe("when the service can't be reached", () => {
  const away = test.extend<{ way: Way }>({
    way: async ({}, use) => {
      const way = await openWay(process.env.HOLDFAST_URL ?? "");
      await use(way);
      await way.cut();
    },
    baseURL: async ({ way }, use) => use(way.url),
    expectedComplaints: [/net::ERR_/],
  });

  away("the page says so, keeps what it shows, and recovers by itself", async ({ page, request, way }) => {
    away.setTimeout(180_000);
    const id = await datastoreId(request, shop());
    await openDatastore(page, shop());
    const rows = page.getByRole("table", { name: "Backups" }).locator("tr.main");
    await expect(rows.first()).toBeVisible();
    const banner = page.getByText("Holdfast is not answering. What you see may be old");
    await expect(banner).toBeHidden();

    await way.cut();
    await expect(banner).toBeVisible();
    await expect(rows.first(), "what was there stays").toBeVisible();
    await page.getByRole("button", { name: "Back up now" }).click();
    await expect(page.getByRole("status").filter({ hasText: "can't be reached" })).toBeVisible();

    await way.mend();
    await expect(banner).toBeHidden({ timeout: 30_000 });
    const number = await takeBackup(request, id);
    await expect(page.getByRole("button", { name: `Actions for backup ${number}`, exact: true })).toBeVisible();
  });

  away("what happened meanwhile is shown afterwards", async ({ page, request, way, playwright }) => {
    away.setTimeout(180_000);
    const id = await datastoreId(request, shop());
    await openDatastore(page, shop());
    await expect(page.getByRole("table", { name: "Backups" })).toBeVisible();
    await way.cut();
    await expect(page.getByText("Holdfast is not answering.")).toBeVisible();
    const direct = await playwright.request.newContext({ baseURL: process.env.HOLDFAST_URL ?? "" });
    const number = await takeBackup(direct, id);
    await direct.dispose();
    await way.mend();
    await expect(page.getByRole("button", { name: `Actions for backup ${number}`, exact: true })).toBeVisible({ timeout: 30_000 });
  });
});

import { chooseForSchedule, expectJobDone, jobPanel, scheduleRow } from "../support/app.js";
import { databases } from "../support/databases.js";
import { datastoreId, haveSchedules, type Schedule, scheduleList } from "../support/service-api.js";
import { expect, type Page, test } from "../support/test.js";

/** The datastore whose backups are the quickest. */
const shop = () => databases().keyValue.name;

const daily = "TZ=UTC 0 5 * * *";
const weekly = "TZ=Europe/Berlin 30 2 * * 0";

/** What the browser's clock shows where a test looks at what runs next: a Wednesday, 13:00 in Berlin. */
const noon = new Date("2026-11-25T12:00:00Z");

async function openSchedules(page: Page, id: string) {
  await page.goto(`/datastores/${id}/schedules`);
  await expect(page.getByRole("table", { name: "Schedules" }).or(page.getByText("No schedule", { exact: true }))).toBeVisible();
}

const dialog = (page: Page) => page.getByRole("dialog");
const save = (page: Page) => dialog(page).getByRole("button", { name: "Save" });
const rhythm = (page: Page, name: string) => dialog(page).getByRole("radio", { name, exact: true });
const field = (page: Page, name: string) => dialog(page).getByRole("textbox", { name, exact: true });
// A field with suggestions is a combobox to who can't see it.
const zone = (page: Page) => dialog(page).getByRole("combobox", { name: "Time zone" });

async function openEdit(page: Page, recurrence: string) {
  await chooseForSchedule(page, recurrence, "Edit");
  await expect(dialog(page)).toBeVisible();
  await expect(save(page), "nothing has changed").toBeDisabled();
}

/** The next runs as the open dialog shows them: in UTC, and in the viewer's zone. */
async function expectPreview(page: Page, description: string, utc: string[], berlin: string[]) {
  await expect(dialog(page).getByRole("status")).toHaveText(`Your full backup will start ${description}`);
  const runs = dialog(page).getByRole("table", { name: "Next runs" });
  await expect(runs.getByRole("columnheader")).toHaveText(["UTC", "Your zone, Europe/Berlin"]);
  await expect(runs.locator("td:first-child")).toHaveText(utc);
  await expect(runs.locator("td:last-child")).toHaveText(berlin);
}

/** Saves, and waits until the table shows what was saved. */
async function saveAs(page: Page, recurrence: string) {
  await save(page).click();
  await expect(dialog(page)).toBeHidden();
  await expect(scheduleRow(page, recurrence)).toBeVisible();
}

test("pausing one schedule leaves the other as it is", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily, weekly);
  await openSchedules(page, id);
  const cell = (recurrence: string, name: string) => scheduleRow(page, recurrence).locator(`[data-label="${name}"]`);
  await expect(cell(daily, "Status")).toHaveText("Active");
  const next = await cell(weekly, "Next run").getByRole("time").first().textContent();

  await chooseForSchedule(page, daily, "Pause");
  await expect(cell(daily, "Status")).toHaveText("Paused");
  await expect(cell(daily, "Next run")).toHaveText("–");
  await page.reload();
  await expect(cell(daily, "Status")).toHaveText("Paused");
  await expect(cell(weekly, "Status"), "the other").toHaveText("Active");
  await expect(cell(weekly, "Next run").getByRole("time").first()).toHaveText(next ?? "");
  const states = (await scheduleList(request, id)).map((one) => `${one.recurrence}: ${one.status}`);
  expect(states.sort()).toEqual([`${weekly}: active`, `${daily}: paused`]);

  await chooseForSchedule(page, daily, "Resume");
  await expect(cell(daily, "Status")).toHaveText("Active");
  await expect(cell(daily, "Next run")).toHaveText(/\d+-\d+-\d+ 0[67]:00:00/);
});

test("what others do is shown as it happens, and the list of datastores knows the next run", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  const [first] = (await haveSchedules(request, id, daily)) as [Schedule];
  await openSchedules(page, id);
  await expect(scheduleRow(page, daily)).toContainText("Active");
  const act = (what: string) => request.post(`/api/v1/schedules/${first.id}/${what}`, { data: {} });
  await act("pause");
  await expect(scheduleRow(page, daily)).toContainText("Paused");

  await page.goto("/");
  const row = page.getByRole("table", { name: "Datastores" }).getByRole("row").filter({ hasText: shop() });
  await expect(row.locator('[data-label="Next run"]')).toHaveText("No schedule");
  await act("resume");
  await expect(row.locator('[data-label="Next run"]')).toHaveText(/\d+-\d+-\d+ 0[67]:00:00\s*in \d+ /);
});

test("an edit to hours shows what it means before it is saved", async ({ page, request }) => {
  await page.clock.setFixedTime(noon);
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily, weekly);
  await openSchedules(page, id);
  await openEdit(page, daily);
  await expect(dialog(page)).toHaveAccessibleName("Edit full backup schedule");
  await expect(dialog(page).getByRole("group", { name: "Start the full backup every" })).toBeVisible();
  await expect(rhythm(page, "Daily")).toBeChecked();
  await expect(field(page, "at")).toHaveValue("05:00");
  await expect(zone(page)).toHaveValue("UTC");
  await expect(rhythm(page, "Minutes"), "not for full backups").toHaveCount(0);

  await rhythm(page, "Hourly").check();
  await field(page, "Every").fill("6");
  await field(page, "at minute").fill("15");
  await expectPreview(
    page,
    "At minute 15 past every 6th hour",
    ["Wed 2026-11-25 12:15", "Wed 2026-11-25 18:15", "Thu 2026-11-26 00:15", "Thu 2026-11-26 06:15", "Thu 2026-11-26 12:15"],
    ["Wed 2026-11-25 13:15", "Wed 2026-11-25 19:15", "Thu 2026-11-26 01:15", "Thu 2026-11-26 07:15", "Thu 2026-11-26 13:15"],
  );
  await rhythm(page, "Daily").check();
  await expect(save(page), "as it was").toBeDisabled();
  await rhythm(page, "Hourly").check();
  await expect(field(page, "Every"), "what was typed is kept").toHaveValue("6");
  await saveAs(page, "TZ=UTC 15 */6 * * *");
  await expect(scheduleRow(page, "TZ=UTC 15 */6 * * *")).toContainText("At minute 15 past every 6th hour");
  await expect(scheduleRow(page, weekly), "the other").toBeVisible();
});

test("an edit to days in another zone, whose count is kept by later edits", async ({ page, request }) => {
  await page.clock.setFixedTime(noon);
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  await openSchedules(page, id);
  await openEdit(page, daily);
  await field(page, "Every").fill("3");
  await field(page, "at").fill("22:30");
  await zone(page).fill("America/New_York");
  await expectPreview(
    page,
    "At 22:30 America/New_York, every 3 days from 2026-11-25",
    ["Thu 2026-11-26 03:30", "Sun 2026-11-29 03:30", "Wed 2026-12-02 03:30", "Sat 2026-12-05 03:30", "Tue 2026-12-08 03:30"],
    ["Thu 2026-11-26 04:30", "Sun 2026-11-29 04:30", "Wed 2026-12-02 04:30", "Sat 2026-12-05 04:30", "Tue 2026-12-08 04:30"],
  );
  await expect(dialog(page).getByText("Counted from 2026-11-25 22:30.")).toBeVisible();
  await saveAs(page, "TZ=America/New_York @every 3 days from 2026-11-25T22:30");

  // A week later another time of day is chosen: the days stay those that they were.
  await page.clock.setFixedTime(new Date("2026-12-03T12:00:00Z"));
  await page.reload();
  await openEdit(page, "TZ=America/New_York @every 3 days from 2026-11-25T22:30");
  await field(page, "at").fill("21:00");
  await expect(dialog(page).getByText("Counted from 2026-11-25 21:00.")).toBeVisible();
  await saveAs(page, "TZ=America/New_York @every 3 days from 2026-11-25T21:00");

  await openEdit(page, "TZ=America/New_York @every 3 days from 2026-11-25T21:00");
  await dialog(page).getByRole("button", { name: "Count from the next run instead" }).click();
  await saveAs(page, "TZ=America/New_York @every 3 days from 2026-12-03T21:00");
});

test("the viewer's own zone is one click away, and its clock changes are counted in", async ({ page, request }) => {
  await page.clock.setFixedTime(new Date("2027-03-26T12:00:00Z"));
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  await openSchedules(page, id);
  await openEdit(page, daily);
  await field(page, "at").fill("02:30");
  await dialog(page).getByRole("button", { name: "Use Europe/Berlin" }).click();
  await expect(zone(page)).toHaveValue("Europe/Berlin");
  await expect(page.locator("datalist option").first()).toHaveAttribute("value", "Europe/Berlin");
  // On 28 March there is no 02:30.
  await expectPreview(
    page,
    "At 02:30 Europe/Berlin, every day",
    ["Sat 2027-03-27 01:30", "Sun 2027-03-28 01:00", "Mon 2027-03-29 00:30", "Tue 2027-03-30 00:30", "Wed 2027-03-31 00:30"],
    ["Sat 2027-03-27 02:30", "Sun 2027-03-28 03:00", "Mon 2027-03-29 02:30", "Tue 2027-03-30 02:30", "Wed 2027-03-31 02:30"],
  );
  await saveAs(page, "TZ=Europe/Berlin 30 2 * * *");
});

test("an expression of five fields says what no other choice can", async ({ page, request }) => {
  await page.clock.setFixedTime(noon);
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  await openSchedules(page, id);
  await openEdit(page, daily);
  await field(page, "at").fill("06:30");
  await rhythm(page, "Advanced").check();
  await expect(field(page, "Cron expression"), "begins with what was chosen").toHaveValue("30 6 * * *");
  await field(page, "Cron expression").fill("0 22 * * 1-5");
  await expectPreview(
    page,
    "At 22:00 UTC, on Monday to Friday",
    ["Wed 2026-11-25 22:00", "Thu 2026-11-26 22:00", "Fri 2026-11-27 22:00", "Mon 2026-11-30 22:00", "Tue 2026-12-01 22:00"],
    ["Wed 2026-11-25 23:00", "Thu 2026-11-26 23:00", "Fri 2026-11-27 23:00", "Mon 2026-11-30 23:00", "Tue 2026-12-01 23:00"],
  );
  await saveAs(page, "TZ=UTC 0 22 * * 1-5");
  await openEdit(page, "TZ=UTC 0 22 * * 1-5");
  await expect(rhythm(page, "Advanced")).toBeChecked();
  await expect(field(page, "Cron expression")).toHaveValue("0 22 * * 1-5");
});

test("what can't be right is told at its field and can't be saved", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  await openSchedules(page, id);
  await openEdit(page, daily);
  const status = dialog(page).getByText("Your full backup will start");

  const expectRefused = async (input: ReturnType<typeof field>, wrong: string, why: RegExp, right: string) => {
    await input.fill(wrong);
    await expect(input).toHaveAttribute("aria-invalid", "true");
    await expect(input).toHaveAccessibleDescription(why);
    await expect(save(page)).toBeDisabled();
    await expect(status, "no promise").toBeHidden();
    await page.keyboard.press("Enter");
    await expect(dialog(page), "Enter does not save it either").toBeVisible();
    await input.fill(right);
    await expect(input).toHaveAttribute("aria-invalid", "false");
    await expect(save(page)).toBeEnabled();
  };
  await expectRefused(field(page, "Every"), "0", /must be 1 to 366/, "2");
  await expectRefused(field(page, "at"), "25:00", /must be a time of day such as 05:00/, "04:00");
  await expectRefused(zone(page), "Europe/Nowhere", /unknown time zone "Europe\/Nowhere"/, "Europe/Lisbon");
  await rhythm(page, "Hourly").check();
  await expectRefused(field(page, "Every"), "many", /must be 1 to 168/, "5");
  await expectRefused(field(page, "at minute"), "60", /must be 0 to 59/, "59");
  await rhythm(page, "Advanced").check();
  const expression = field(page, "Cron expression");
  await expectRefused(expression, "0 5 * *", /has 4 fields after the time zone; write five/, "0 5 * * 0");
  await expectRefused(expression, "*/5 * * * *", /starts full backups 5 min apart; here they must be at least 15 min apart/, "0 4 * * 0");
  await expectRefused(expression, "0 5 31 2 *", /never fires/, "0 3 * * 0");
  await expectRefused(zone(page), "Mars/Olympus", /unknown time zone "Mars\/Olympus"/, "UTC");
  await page.keyboard.press("Escape");
  await expect(dialog(page)).toBeHidden();
  await expect(scheduleRow(page, daily), "nothing was saved").toBeVisible();
});

test.describe("when somebody else saves first", () => {
  test.use({ expectedComplaints: [/status of 409/] });

  test("neither's edit is lost without a word", async ({ page, request }) => {
    const id = await datastoreId(request, shop());
    const [first] = (await haveSchedules(request, id, daily)) as [Schedule];
    const theirs = async (recurrence: string) => {
      expect((await request.patch(`/api/v1/schedules/${first.id}`, { data: { recurrence } })).status()).toBe(200);
    };
    await openSchedules(page, id);
    await openEdit(page, daily);
    await field(page, "at").fill("07:00");
    await theirs("TZ=UTC 0 6 * * *");
    await save(page).click();
    const warning = dialog(page).getByRole("alert");
    await expect(warning).toContainText("Somebody else changed this schedule");
    await expect(warning).toContainText("At 06:00 UTC, every day");
    await expect(field(page, "at"), "what was typed").toHaveValue("07:00");
    await expect(save(page)).toBeDisabled();
    await warning.getByRole("button", { name: "Keep what I typed" }).click();
    await saveAs(page, "TZ=UTC 0 7 * * *");

    await openEdit(page, "TZ=UTC 0 7 * * *");
    await field(page, "at").fill("08:00");
    await theirs("TZ=UTC 0 9 * * *");
    await save(page).click();
    await warning.getByRole("button", { name: "Load the newest version" }).click();
    await expect(field(page, "at")).toHaveValue("09:00");
    await expect(save(page)).toBeDisabled();
    await expect(warning).toBeHidden();
  });
});

test("run now makes a backup, which is the last run", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  await openSchedules(page, id);
  const row = scheduleRow(page, daily);
  await expect(row.locator('[data-label="Last run"]')).toHaveText("–");
  await chooseForSchedule(page, daily, "Run now");
  const title = jobPanel(page).getByRole("heading", { level: 2 });
  await expect(title).toHaveText(new RegExp(`^Backup \\d+ · ${shop()}$`));
  const backup = await title.innerText();
  await expectJobDone(page);
  await jobPanel(page).getByRole("button", { name: "Close job" }).click();

  await expect(row.locator('[data-label="Last run"]')).toHaveText(/^Completed\s*Backup \d+\s*\d{4}-\d+-\d+ \d+:\d+:\d+$/);
  await row.getByRole("button", { name: /^Backup \d+$/ }).click();
  await expect(title).toHaveText(backup);
  await jobPanel(page).getByRole("button", { name: "Close job" }).click();

  await row.getByRole("button", { name: "Runs of the full schedule" }).click();
  const runs = page.getByRole("region", { name: "Newest runs" }).getByRole("listitem");
  await expect(runs).toHaveText([/^\d+-\d+-\d+ \d+:\d+:\d+\s*Completed\s*Backup \d+$/]);
  await expect(page.getByRole("region", { name: "Next runs" }).getByRole("row")).toHaveCount(6);
});

test("times without a backup are failures, each with its reason", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  // A service that was away for days is more than a test can wait for.
  await page.route("**/api/v1/schedules/*/runs?*", async (route) => {
    const run = (due_at: string, status: string, reason: string | null, attempt: number, retry_at: string | null) =>
      ({ schedule_id: id, due_at, status, reason, attempt, backup_id: null, backup_number: null, retry_at, recorded_at: due_at });
    await route.fulfill({
      json: {
        items: [
          run("2026-11-25T05:00:00Z", "failed", null, 2, "2026-11-25T05:10:00Z"),
          run("2026-11-24T05:00:00Z", "missed", "no scheduler ran", 0, null),
          run("2026-11-23T05:00:00Z", "skipped", "the datastore was busy for 1 h 00 min", 0, null),
        ],
        next_cursor: null,
        total: 3,
      },
    });
  });
  await openSchedules(page, id);
  await scheduleRow(page, daily).getByRole("button", { name: "Runs of the full schedule" }).click();
  const runs = page.getByRole("region", { name: "Newest runs" }).getByRole("listitem");
  await expect(runs).toHaveText([
    /06:00:00\s*Failed\s*Attempt 2\.\s*Next attempt at 2026-11-25 06:10:00/,
    /06:00:00\s*Missed\s*no scheduler ran/,
    /06:00:00\s*Skipped\s*the datastore was busy for 1 h 00 min/,
  ]);
  await expect(runs.locator(".state.bad")).toHaveText(["Failed", "Missed", "Skipped"]);
});

test("increments may come by the minute", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  const recurrence = "TZ=UTC */30 * * * *";
  const incremental = { type: "incremental", recurrence, description: "Every 30 minutes", frequency: { kind: "minutes", every: 30 } };
  let sent: unknown;
  await page.route("**/api/v1/datastores/*/schedules?*", async (route) => {
    const answer = (await (await route.fetch()).json()) as { items: object[] };
    await route.fulfill({ json: { ...answer, items: answer.items.map((one) => ({ ...one, ...incremental })) } });
  });
  await page.route("**/api/v1/schedules/*", async (route) => {
    if (route.request().method() !== "PATCH") return route.fallback();
    sent = route.request().postDataJSON();
    const answer = (await (await request.get(route.request().url())).json()) as object;
    await route.fulfill({ json: { ...answer, ...incremental } });
  });
  await openSchedules(page, id);
  await openEdit(page, recurrence);
  await expect(dialog(page)).toHaveAccessibleName("Edit incremental backup schedule");
  await expect(rhythm(page, "Minutes")).toBeChecked();
  await expect(rhythm(page, "30")).toBeChecked();
  await rhythm(page, "30").press("ArrowLeft");
  await expect(rhythm(page, "15")).toBeChecked();
  await expect(dialog(page).getByRole("status")).toHaveText("Your incremental backup will start Every 15 minutes");
  await save(page).click();
  await expect.poll(() => sent).toEqual({ frequency: { kind: "minutes", every: 15 }, version: 1 });
});

test("deleting keeps the backups; without a schedule the page says what that means", async ({ page, request }) => {
  const id = await datastoreId(request, shop());
  await haveSchedules(request, id, daily);
  await page.goto(`/datastores/${id}/backups`);
  const rows = page.getByRole("table", { name: "Backups" }).locator("tr.main");
  await expect(rows.first()).toBeVisible();
  const backups = await rows.count();

  await openSchedules(page, id);
  await chooseForSchedule(page, daily, "Delete");
  await expect(dialog(page)).toContainText("Existing backups stay");
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await expect(scheduleRow(page, daily)).toBeVisible();
  await chooseForSchedule(page, daily, "Delete");
  await dialog(page).getByRole("button", { name: "Delete", exact: true }).click();
  await expect(page.getByRole("heading", { name: "No schedule" })).toBeVisible();
  expect(await scheduleList(request, id)).toEqual([]);

  await page.getByRole("navigation", { name: "Backups" }).getByRole("link", { name: "All backups" }).click();
  await expect(rows).toHaveCount(backups);

  await page.getByRole("navigation", { name: "Backups" }).getByRole("link", { name: "Backup schedules" }).click();
  await page.getByRole("button", { name: "Add a schedule" }).click();
  await expect(dialog(page)).toHaveAccessibleName("Add backup schedule");
  await expect(dialog(page).getByRole("group", { name: "Type" }), "there is only one").toHaveCount(0);
  await field(page, "at").fill("04:00");
  await saveAs(page, "TZ=UTC 0 4 * * *");
  await expect(scheduleRow(page, "TZ=UTC 0 4 * * *")).toContainText("At 04:00 UTC, every day");
});

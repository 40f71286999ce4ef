import { defineConfig, type PlaywrightTestOptions, type Project } from "@playwright/test";

const desktop = { width: 1440, height: 900 };
const phone = { width: 390, height: 844 };

/** Looks are tested in all four windows; what the page does and means, where nothing but the colours differs, once. */
function project(name: string, use: Partial<PlaywrightTestOptions>, also: Partial<Project> = {}): Project {
  return { name, use, ...also };
}
const looks = { testMatch: "pages.spec.ts" };
const colours = { ...looks, grepInvert: /@structure/ };

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  globalSetup: "./support/global-setup.ts",
  // All tests share one service, and a restore excludes everything else on its datastore.
  workers: 1,
  fullyParallel: false,
  // A test that passes the second time has failed the first.
  retries: 0,
  forbidOnly: process.env.CI === "true",
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [["list"], ["html", { open: "never", outputFolder: "playwright-report" }]],
  use: {
    // A zone of its own shows where a time was meant to be the viewer's and is not.
    timezoneId: "Europe/Berlin",
    locale: "en-GB",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: "/usr/bin/chromium",
      args: [
        // Root cannot have Chromium's sandbox; the only page it ever opens is ours.
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    project("desktop-light", { viewport: desktop, colorScheme: "light" }),
    project("desktop-dark", { viewport: desktop, colorScheme: "dark" }, colours),
    project("phone-light", { viewport: phone, colorScheme: "light", hasTouch: true }, looks),
    project("phone-dark", { viewport: phone, colorScheme: "dark", hasTouch: true }, colours),
  ],
});

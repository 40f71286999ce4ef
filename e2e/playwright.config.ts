import { defineConfig } from "@playwright/test";

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
    colorScheme: "light",
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
  // How pages look is tested in both, each light and dark (`expectWellMade`); what they do, once.
  projects: [
    { name: "desktop", use: { viewport: { width: 1440, height: 900 } } },
    { name: "phone", use: { viewport: { width: 390, height: 844 }, hasTouch: true }, testMatch: ["pages.spec.ts", "access.spec.ts"] },
  ],
});

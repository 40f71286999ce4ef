import config from "./playwright.config.js";

/** Takes the pictures in `docs/images` from a demo of its own. */
export default {
  ...config,
  testDir: "screenshots",
  testMatch: "*.ts",
  reporter: "list",
  timeout: 300_000,
  projects: [{ name: "screenshots", use: { viewport: { width: 1440, height: 900 } } }],
};

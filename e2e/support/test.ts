import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page, test as base } from "@playwright/test";

/**
 * The tests' `test`: addresses are relative to the service, and a page that logs an error or asks anybody but the service
 * for anything fails its test.
 */
export const test = base.extend<{ noPageErrors: void }>({
  baseURL: async ({}, use) => {
    const url = process.env.HOLDFAST_URL;
    if (!url) throw new Error("the global setup has not started the service");
    await use(url);
  },
  noPageErrors: [
    async ({ page, baseURL }, use) => {
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(`console: ${message.text()}`);
      });
      page.on("request", (request) => {
        const url = request.url();
        if (!url.startsWith(`${baseURL}/`) && !/^(data|blob):/.test(url)) {
          complaints.push(`asked another host: ${url}`);
        }
      });
      await use();
      expect(complaints, "what the page complained about").toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** WCAG 2.2 AA, of the whole page or of what `selector` finds. */
export async function expectAccessible(page: Page, selector?: string) {
  let axe = new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]);
  if (selector) axe = axe.include(selector);
  const { violations } = await axe.analyze();
  const found = violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${violation.help}: ${node.target.join(" ")}`),
  );
  expect(found).toEqual([]);
}

import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page, test as base } from "@playwright/test";

/**
 * The tests' `test`: addresses are relative to the service, and a page that logs an error or asks anybody but the service
 * for anything fails its test.
 */
export const test = base.extend<{ expectedComplaints: RegExp[]; noPageErrors: void }>({
  baseURL: async ({}, use) => {
    const url = process.env.HOLDFAST_URL;
    if (!url) throw new Error("the global setup has not started the service");
    await use(url);
  },
  /** What the browser itself logs about answers that a test provokes on purpose. */
  expectedComplaints: [[], { option: true }],
  noPageErrors: [
    async ({ page, baseURL, expectedComplaints }, use) => {
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
      page.on("console", (message) => {
        if (message.type() !== "error") return;
        if (expectedComplaints.some((expected) => expected.test(message.text()))) return;
        complaints.push(`console: ${message.text()} (${message.location().url})`);
      });
      page.on("request", (request) => {
        const url = request.url();
        if (!url.startsWith(`${baseURL}/`) && !/^(data|blob):/.test(url)) {
          complaints.push(`asked another host: ${url}`);
        }
      });
      await use();
      // What the page asks in its last moment would otherwise fail the next test.
      await page.unrouteAll({ behavior: "ignoreErrors" });
      expect(complaints, "what the page complained about").toEqual([]);
    },
    { auto: true },
  ],
});

export { expect, type Page };

/** WCAG 2.2 AA, of everything that is shown; or only its rules about colours, where nothing else can differ. */
export async function expectAccessible(page: Page, onlyColours = false) {
  // The page has no frames, for whose sake the other mode opens a second page.
  let axe = new AxeBuilder({ page }).setLegacyMode();
  axe = onlyColours
    ? axe.withRules(["color-contrast", "link-in-text-block"])
    : axe.withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]);
  const { violations } = await axe.analyze();
  const found = violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${node.target.join(" ")}: ${node.failureSummary}`),
  );
  expect(found).toEqual([]);
}

/** The page can't be scrolled sideways, nor a dialog on it or its body; says what sticks out. */
export async function expectNoSidewaysScrolling(page: Page) {
  const found = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const whole = [document.documentElement, document.body];
    const inside = [...document.querySelectorAll("dialog[open], dialog[open] .dialog-body")];
    if (whole.every((element) => element.scrollWidth <= width) && inside.every((element) => element.scrollWidth <= element.clientWidth)) return [];
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > width + 0.5)
      .map((element) => `${element.localName}.${element.className}: to ${element.getBoundingClientRect().right}`)
      .concat(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  });
  expect(found).toEqual([]);
}

/** Both, light and dark; and on a phone also as narrow as phones get. */
export async function expectWellMade(page: Page) {
  for (const colorScheme of ["light", "dark"] as const) {
    await test.step(colorScheme, async () => {
      await page.emulateMedia({ colorScheme });
      // What moves in or changes its colour must have arrived, or it is measured halfway.
      await page.evaluate(async () => {
        // In what is not shown, such as closed details, nothing arrives.
        const isShown = (effect: AnimationEffect | null) => !(effect instanceof KeyframeEffect) || effect.target?.checkVisibility();
        const ending = document
          .getAnimations()
          .filter((one) => one.effect?.getComputedTiming().endTime !== Infinity && isShown(one.effect));
        await Promise.allSettled(ending.map((one) => one.finished));
      });
      await expectAccessible(page, colorScheme === "dark");
    });
  }
  await page.emulateMedia({ colorScheme: "light" });
  await expectNoSidewaysScrolling(page);
  const size = page.viewportSize();
  if (size && size.width < 500) {
    await page.setViewportSize({ width: 360, height: size.height });
    await expectNoSidewaysScrolling(page);
    await page.setViewportSize(size);
  }
}

// The browser, and its visitors: each a context of their own, watched for whatever a page should never do.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

/** Longest wait for anything a page does, in milliseconds: a busy machine is slow, a fault is for ever. */
const WAIT = 20_000;

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

const DESKTOP = { viewport: { width: 1280, height: 800 }, locale: "zh-CN" };

export const PHONE = {
  ...DESKTOP,
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
  userAgent: IPHONE,
};

/** What every Chromium is started with. */
const FLAGS = [
  // Names, not localhost: that counts as secure, and hides what goes wrong on plain http. No other name resolves.
  "--host-resolver-rules=MAP *.meiduo.site 127.0.0.1, MAP *.qq.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-proxy-server",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The browser that all cases share. */
export class Chromium {
  static async start(program, parts) {
    const playwright = path.join(parts, "node_modules/playwright-core/index.mjs");
    const chromium = new Chromium();
    chromium.type = (await import(pathToFileURL(playwright))).chromium;
    chromium.options = { executablePath: program, headless: true, chromiumSandbox: false, timeout: WAIT, args: FLAGS };
    chromium.browser = await chromium.type.launch(chromium.options);
    return chromium;
  }

  /** Nobody's window: without cookies, history or cache. */
  context(wishes) {
    return this.browser.newContext(wishes);
  }

  /** The same in a browser of its own, with these of Chromium's own preferences. */
  contextWith(profile, wishes) {
    return this.type.launchPersistentContext(profile, { ...this.options, ...wishes });
  }

  close() {
    return this.browser.close();
  }
}

/** Where one case is played, and by whom. */
export class Stage {
  #chromium;
  #profiles = [];

  /** Every visitor so far. */
  visitors = [];

  /** `site` and `qq` are origins, `told` is whatever the case needs besides: `others`, further origins. */
  constructor(chromium, site, qq, told) {
    this.#chromium = chromium;
    this.site = site;
    this.qq = qq;
    this.told = told;
  }

  /** Somebody who has never been here, by default at a desk in China. */
  async visitor(wishes = {}) {
    return this.#watch(await this.#chromium.context({ ...DESKTOP, ...wishes }));
  }

  /** Somebody whose browser is set to keep no cookies. */
  async visitorWithoutCookies() {
    const profile = await mkdtemp(path.join(tmpdir(), "journey-"));
    this.#profiles.push(profile);
    const block = 2;
    const preferences = { profile: { default_content_setting_values: { cookies: block } } };
    await mkdir(path.join(profile, "Default"));
    await writeFile(path.join(profile, "Default/Preferences"), JSON.stringify(preferences));
    return this.#watch(await this.#chromium.contextWith(profile, DESKTOP));
  }

  /** Fails if any visitor saw what nobody should. */
  assertClean() {
    const faults = this.visitors.flatMap((visitor) => visitor.unexcused());
    assert.deepEqual(faults, [], "what no page should do");
  }

  /** Where each window stands, with a picture of it in the folder `screens`. */
  async describe(screens, name) {
    const lines = [];
    await mkdir(screens, { recursive: true });
    for (const visitor of this.visitors) {
      for (const page of visitor.context.pages()) {
        const picture = path.join(screens, `${name}-${lines.length + 1}.png`);
        await page.screenshot({ path: picture }).catch(() => {});
        lines.push(`  at ${page.url()}, see ${picture}`);
      }
      lines.push(...visitor.navigations.map((address) => `    went to ${address}`), ...visitor.faults);
    }
    return lines.join("\n");
  }

  async close() {
    for (const visitor of this.visitors) await visitor.context.close();
    for (const profile of this.#profiles) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #watch(context) {
    context.setDefaultTimeout(WAIT);
    const visitor = new Visitor(context, [this.site, this.qq, ...(this.told?.others ?? [])]);
    this.visitors.push(visitor);
    return visitor;
  }
}

/** Chromium may fetch the icon of the shop's page when that page has been left already, and hold the next one's policy
 * against it. Pages of ours name no icon but their own, which their policy holds them to. */
const SHOPS_ICON = "/static/mall.svg";

class Visitor {
  #mayAnswer = new Set();
  #excused = [];

  /** What no page should do: complain on the console, break a policy, ask anybody else. */
  faults = [];

  /** Every address that a window went to, redirects included. */
  navigations = [];

  constructor(context, origins) {
    this.context = context;
    context.on("request", (request) => {
      const address = request.url();
      if (request.isNavigationRequest()) this.navigations.push(address);
      const isOurs = address.startsWith("data:") || origins.includes(new URL(address).origin);
      if (!isOurs) this.faults.push(`asked a stranger: ${address}`);
    });
    context.on("requestfailed", (request) => {
      // Whoever leaves a page while a picture of it is loading gives that picture up: no fault of the page's.
      const why = request.failure()?.errorText;
      const hasLeft = why === "net::ERR_ABORTED" && request.resourceType() !== "document";
      const isLate = why === "csp" && request.url().endsWith(SHOPS_ICON);
      if (!hasLeft && !isLate) this.faults.push(`could not load ${request.url()}: ${request.failure()?.errorText}`);
    });
    context.on("console", (message) => {
      const status = /responded with a status of (\d+)/.exec(message.text())?.[1];
      const isFault = ["error", "warning", "assert"].includes(message.type());
      const isLate = message.text().includes(`${SHOPS_ICON}' violates the following Content Security Policy`);
      if (isFault && !isLate && !this.#mayAnswer.has(Number(status))) {
        this.faults.push(`console: ${message.text()} (${message.location().url})`);
      }
    });
    context.on("weberror", (error) => this.faults.push(`script: ${error.error()}`));
  }

  /** A new window. */
  window() {
    return this.context.newPage();
  }

  /** Answers that browsers complain of on their console, and that this case means to get. */
  mayGet(...statuses) {
    statuses.forEach((status) => this.#mayAnswer.add(status));
  }

  /** Faults that this case means to provoke. */
  mayComplain(pattern) {
    this.#excused.push(pattern);
  }

  unexcused() {
    return this.faults.filter((fault) => !this.#excused.some((pattern) => pattern.test(fault)));
  }

  /** The cookies of a host, by name. */
  async cookies(origin) {
    const cookies = await this.context.cookies(origin);
    return Object.fromEntries(cookies.map((cookie) => [cookie.name, cookie]));
  }
}

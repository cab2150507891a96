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

export class Stage {
  #chromium;
  #where;
  #closers = [];
  #browser;

  /** Every visitor so far. */
  visitors = [];

  /** `where`: `site` and `qq` (origins), `chromium` (program), `parts` and `screens` (folders). */
  static async open(where) {
    const stage = new Stage();
    stage.#where = where;
    const playwright = path.join(where.parts, "node_modules/playwright-core/index.mjs");
    stage.#chromium = (await import(pathToFileURL(playwright))).chromium;
    return stage;
  }

  get site() {
    return this.#where.site;
  }

  get qq() {
    return this.#where.qq;
  }

  /** Somebody who has never been here, by default at a desk in China. */
  async visitor(wishes = {}) {
    if (!this.#browser) {
      this.#browser = await this.#chromium.launch(this.#launch());
      this.#closers.push(() => this.#browser.close());
    }
    return this.#watch(await this.#browser.newContext({ ...DESKTOP, ...wishes }));
  }

  /** Somebody whose browser is set to keep no cookies. */
  async visitorWithoutCookies() {
    const profile = await mkdtemp(path.join(tmpdir(), "journey-"));
    this.#closers.push(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }));
    const block = 2;
    const preferences = { profile: { default_content_setting_values: { cookies: block } } };
    await mkdir(path.join(profile, "Default"));
    await writeFile(path.join(profile, "Default/Preferences"), JSON.stringify(preferences));
    const context = await this.#chromium.launchPersistentContext(profile, { ...this.#launch(), ...DESKTOP });
    this.#closers.push(() => context.close());
    return this.#watch(context);
  }

  /** Fails if any visitor saw what nobody should. */
  assertClean() {
    const faults = this.visitors.flatMap((visitor) => visitor.faults);
    assert.deepEqual(faults, [], "what no page should do");
  }

  /** Where each page stands, with a picture of it. */
  async describe(name) {
    const lines = [];
    await mkdir(this.#where.screens, { recursive: true });
    for (const visitor of this.visitors) {
      for (const page of visitor.pages) {
        const picture = path.join(this.#where.screens, `${name}-${lines.length + 1}.png`);
        await page.screenshot({ path: picture }).catch(() => {});
        lines.push(`  at ${page.url()}, see ${picture}`);
      }
      lines.push(...visitor.navigations.map((address) => `    went to ${address}`), ...visitor.faults);
    }
    return lines.join("\n");
  }

  async close() {
    for (const close of this.#closers.reverse()) await close().catch(() => {});
  }

  #launch() {
    const rules = [this.site, this.qq].map((origin) => `MAP ${new URL(origin).hostname} 127.0.0.1`);
    return {
      executablePath: this.#where.chromium,
      headless: true,
      chromiumSandbox: false,
      timeout: WAIT,
      args: [
        // Names, not localhost: that counts as secure, and hides what goes wrong on plain http.
        `--host-resolver-rules=${rules.join(", ")}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    };
  }

  #watch(context) {
    context.setDefaultTimeout(WAIT);
    const visitor = new Visitor(context, [this.site, this.qq]);
    this.visitors.push(visitor);
    return visitor;
  }
}

class Visitor {
  #mayAnswer = new Set();

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
      this.faults.push(`could not load ${request.url()}: ${request.failure()?.errorText}`);
    });
    context.on("console", (message) => {
      const status = /responded with a status of (\d+)/.exec(message.text())?.[1];
      const isFault = ["error", "warning", "assert"].includes(message.type());
      if (isFault && !this.#mayAnswer.has(Number(status))) {
        this.faults.push(`console: ${message.text()} (${message.location().url})`);
      }
    });
    context.on("weberror", (error) => this.faults.push(`script: ${error.error()}`));
  }

  get pages() {
    return this.context.pages();
  }

  /** A new window. */
  window() {
    return this.context.newPage();
  }

  /** Answers that browsers complain of on their console, and that this case means to get. */
  mayGet(...statuses) {
    statuses.forEach((status) => this.#mayAnswer.add(status));
  }

  /** The cookies of a host, by name. */
  async cookies(origin) {
    const cookies = await this.context.cookies(origin);
    return Object.fromEntries(cookies.map((cookie) => [cookie.name, cookie]));
  }
}

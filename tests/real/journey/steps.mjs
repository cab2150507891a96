// Steps that several cases take.

import assert from "node:assert/strict";

/** Least height of what a finger is to hit, in CSS pixels. */
const FINGER = 44;

/** What the page calls itself. */
export async function heading(page) {
  return (await page.textContent("h1")).trim();
}

/** Clicks, and waits for the page that it leads to. */
export async function clickThrough(page, selector) {
  const arriving = page.waitForEvent("load");
  await page.click(selector);
  await arriving;
}

/** The page is ours for logging in. */
export async function meetsLogin(page, stage) {
  const address = new URL(page.url());
  assert.deepEqual([address.origin, address.pathname], [stage.site, "/.menshen/login"]);
  assert.equal(await page.locator("main a.provider").count(), 1);
}

/** From our login page to QQ's. What QQ was asked. */
export async function toQq(page, stage) {
  await page.click("main a.provider");
  await page.waitForURL((address) => address.origin === stage.qq);
  return new URL(page.url()).searchParams;
}

/** One of the test users says yes; the page is then wherever that leads on the site. */
export async function approve(page, stage, number) {
  await page.click(`button.user[value="${number}"]`);
  await page.waitForURL((address) => address.origin === stage.site);
}

/** Where QQ sends the browser of one of the test users who agrees, without a browser. */
export async function approvedBy(loginUrl, number) {
  const asked = new URL(loginUrl);
  const form = new URLSearchParams({ user: number, answer: "approve", query: asked.search.slice(1) });
  const answer = await fetch(new URL("/oauth2.0/authorize", asked), { method: "POST", body: form, redirect: "manual" });
  return new URL(answer.headers.get("location"));
}

/** From a page to QQ by its login link, and back to that page. */
export async function logInAt(page, stage, address, number, link = "main a.provider") {
  await page.goto(stage.site + address);
  await page.click(link);
  await page.waitForURL((address) => address.origin === stage.qq);
  await approve(page, stage, number);
  assert.equal(page.url(), stage.site + address);
}

/** What the proxy says of the session, asked by a script on the page. */
export function whoAmI(page) {
  return page.evaluate(() => fetch("/.menshen/userinfo").then((answer) => answer.json()));
}

/** Nothing sticks out at the side, and a finger hits every button. */
export async function assertFits(page) {
  const { width, window: shown } = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
  }));
  assert.ok(width <= shown, `${page.url()} is ${width} pixels wide in a window of ${shown}`);
  for (const button of await page.locator("button:visible, a.button:visible").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= FINGER, `${page.url()}: "${await button.textContent()}" is ${height} pixels high`);
  }
}

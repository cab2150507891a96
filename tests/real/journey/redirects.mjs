// What is put into `next` to lead a visitor off the site, at every place that reads it or might.

import assert from "node:assert/strict";

import { approve, approvedBy, clickThrough } from "./steps.mjs";

/** `stage.told`: the values, each with its class and the place on the site that it is good for. */
export async function no_next_leads_off_the_site(stage) {
  const visitor = await stage.visitor();
  visitor.mayGet(400, 403);
  const [page, shop] = [await visitor.window(), await visitor.window()];
  await shop.goto(`${stage.site}/`);
  const begin = (next) => fetch(`/qq/login/?next=${encodeURIComponent(next)}`).then((answer) => answer.json());
  for (const { kind, next, place } of stage.told) {
    const what = `${kind}: ${JSON.stringify(next)}`;
    const start = await shop.evaluate(begin, next);
    const callback = await approvedBy(start.login_url, "10001");
    callback.searchParams.append("next", next);
    await page.goto(callback.href, { waitUntil: "commit" });
    assert.equal(page.url(), new URL(place, stage.site).href, what);
  }
  assert.ok((await visitor.cookies(stage.site)).menshen_session, "logged in");
}

/** One of each class, by nothing but what a visitor clicks. */
export async function no_next_leads_off_the_site_by_hand(stage) {
  const visitor = await stage.visitor();
  const page = await visitor.window();
  for (const { kind, next, place } of stage.told) {
    await page.goto(`${stage.site}/.menshen/login?next=${encodeURIComponent(next)}`);
    await page.click("main a.provider");
    await page.waitForURL((address) => address.origin === stage.qq);
    await approve(page, stage, "10001");
    assert.equal(page.url(), new URL(place, stage.site).href, kind);

    // Our logout knows no `next`, wherever it stands.
    await page.goto(`${stage.site}/.menshen/logout?next=${encodeURIComponent(next)}`);
    await page.evaluate((next) => {
      const form = document.querySelector("main form");
      form.action += `?next=${encodeURIComponent(next)}`;
      form.append(Object.assign(document.createElement("input"), { name: "next", value: next }));
    }, next);
    await clickThrough(page, "main form button");
    assert.equal(new URL(page.url()).origin, stage.site, kind);
    assert.deepEqual(await visitor.cookies(stage.site), {}, kind);
  }
}

/** Every link and every form of every page of ours that was told a `next`. */
export async function no_page_of_ours_links_off_the_site(stage) {
  const visitor = await stage.visitor();
  visitor.mayGet(400, 403);
  const page = await visitor.window();
  await page.goto(`${stage.site}/`);
  const strays = await page.evaluate(async (all) => {
    const strays = [];
    const show = (path, wishes) => fetch(path, { headers: { Accept: "text/html" }, redirect: "manual", ...wishes });
    const look = async (where, path, wishes) => {
      const answer = await show(path, wishes);
      if (answer.type === "opaqueredirect") return strays.push(`${where} redirects`);
      const shown = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!shown.querySelector("main")) strays.push(`${where}: no page, ${answer.status}`);
      if (shown.querySelector("meta[http-equiv=refresh], base")) strays.push(`${where} goes elsewhere by itself`);
      for (const one of shown.querySelectorAll("a, form, button[formaction]")) {
        const address = one.getAttribute("href") ?? one.getAttribute("action") ?? one.getAttribute("formaction");
        const leads = new URL(address, location.href);
        const isLogin = ["/qq/login/", "/.menshen/login"].includes(leads.pathname);
        const last = isLogin ? new URL(leads.searchParams.get("next") ?? "/", location.href) : leads;
        if (leads.origin !== location.origin || last.origin !== location.origin) strays.push(`${where}: ${address}`);
      }
    };
    for (const { kind, next } of all) {
      const query = `next=${encodeURIComponent(next)}`;
      const what = `${kind}: ${JSON.stringify(next)}`;
      await look(`login ${what}`, `/.menshen/login?${query}`);
      await look(`logout ${what}`, `/.menshen/logout?${query}`);
      await look(`logged out ${what}`, `/.menshen/logout?${query}`, { method: "POST", body: new URLSearchParams({ next }) });
      await look(`no attempt ${what}`, `/oauth_callback/?code=a&state=b&${query}`);
      const start = await fetch(`/qq/login/?${query}`).then((answer) => answer.json());
      const state = new URL(start.login_url).searchParams.get("state");
      await look(`cancelled ${what}`, `/oauth_callback/?usercancel=1&state=${state}&${query}`);
    }
    return strays;
  }, stage.told);
  assert.deepEqual(strays, []);
}

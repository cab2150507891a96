// A site whose proxy speaks TLS by itself. `stage.told.plain` is where it does not.

import assert from "node:assert/strict";

import { clickThrough, logInAt, meetsLogin, whoAmI } from "./steps.mjs";

const GUARDED = "/user/center/";

export async function over_its_own_tls(stage) {
  const { site, told } = stage;
  const visitor = await stage.visitor({ ignoreHTTPSErrors: true });
  const page = await visitor.window();
  await logInAt(page, stage, GUARDED, "10001");
  const { user_id: id } = await whoAmI(page);
  assert.equal(await page.textContent("#told"), id);
  assert.equal(await page.evaluate(() => isSecureContext), true);

  const spoken = () => page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
  await page.goto(`${site}${GUARDED}`);
  assert.equal(await spoken(), "h2");
  const opened = await page.evaluate(() => new Promise((resolve) => {
    const socket = new WebSocket(`wss://${location.host}/ws`);
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
  }));
  assert.equal(opened, "open");

  // Whoever types the address without a scheme, or has an old bookmark, gets there as well, and is known there.
  await page.goto(`${told.plain}${GUARDED}?from=bookmark`);
  assert.equal(page.url(), `${site}${GUARDED}?from=bookmark`);
  assert.equal(await page.textContent("#told"), id);

  await page.goto(`${site}/.menshen/logout`);
  await clickThrough(page, "main form button");
  await page.goto(site + GUARDED);
  await meetsLogin(page, stage);
}

// A shop's pages at another origin than its API. `stage.told.pages` is theirs, `stage.site` the API's.

import assert from "node:assert/strict";

/** From the pages' own button to QQ's page, and one of the test users says yes. */
async function pressAndApprove(page, stage, number) {
  await page.goto(`${stage.told.pages}/login.html?next=/user_center.html`);
  await page.click("#qq");
  await page.waitForURL((address) => address.origin === stage.qq);
  await page.click(`button.user[value="${number}"]`);
}

/** Who the API says that the visitor is. */
async function told(page) {
  await page.waitForFunction(() => document.querySelector("#who")?.textContent);
  return page.textContent("#who");
}

export async function front_end_logs_in(stage) {
  const { pages } = stage.told;
  const visitor = await stage.visitor();
  visitor.mayGet(401, 400);
  const page = await visitor.window();
  await page.goto(`${pages}/user_center.html`);
  assert.equal(await told(page), "nobody: 401");

  await pressAndApprove(page, stage, "10001");
  await page.waitForURL(`${pages}/user_center.html`);
  assert.equal(await told(page), "ming");
  const { token, ...known } = await page.evaluate(() => ({ ...localStorage }));
  assert.deepEqual(known, { username: "ming", user_id: "42" });
  assert.equal(token.split(".").length, 3);
  assert.deepEqual(Object.values(await visitor.cookies(stage.site)), [], "the attempt's is gone, and there is no other");

  // Whoever forgets the token has logged out.
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  assert.equal(await told(page), "nobody: 401");

  // Another QQ user is another of the shop's.
  await pressAndApprove(page, stage, "10002");
  await page.waitForURL(`${pages}/user_center.html`);
  assert.equal(await told(page), "hong");

  // Whoever follows a link with somebody else's code stays who they were.
  const other = await stage.visitor();
  other.mayGet(400);
  const elsewhere = await other.window();
  await elsewhere.goto(`${pages}/oauth_callback.html?code=${"A".repeat(32)}&state=/user_center.html`);
  await elsewhere.waitForFunction(() => document.title.startsWith("400"));
  assert.deepEqual(await elsewhere.evaluate(() => ({ ...localStorage })), {});
}

export async function front_end_is_not_listed(stage) {
  const { pages } = stage.told;
  const visitor = await stage.visitor();
  visitor.mayComplain(/by CORS policy|net::ERR_FAILED/);
  const page = await visitor.window();
  await page.goto(`${pages}/login.html`);
  await page.click("#qq");
  await page.waitForFunction(() => document.title === "no answer");
  await page.goto(`${pages}/oauth_callback.html?code=${"A".repeat(32)}&state=${"0".repeat(32)}`);
  await page.waitForFunction(() => document.title === "no answer");
  assert.deepEqual(await page.evaluate(() => ({ ...localStorage })), {});
}

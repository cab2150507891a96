// What visitors do, one function each. Every one starts before a fresh proxy, at a fresh QQ.

import assert from "node:assert/strict";

import { PHONE } from "./stage.mjs";
import { approve, assertFits, clickThrough, heading, logInAt, meetsLogin, toQq, whoAmI } from "./steps.mjs";

/** The shop's page for known visitors, with a query that must survive the journey. */
const GUARDED = "/user/center/?from=menu&q=%E9%97%A8+%E7%A5%9E%26a%3D1";

export async function guarded_page(stage) {
  const visitor = await stage.visitor();
  const page = await visitor.window();
  await page.goto(stage.site + GUARDED);
  assert.equal(await page.evaluate(() => isSecureContext), false, "this must be plain http under a real name");
  await meetsLogin(page, stage);

  const asked = await toQq(page, stage);
  assert.equal(asked.get("redirect_uri"), `${stage.site}/oauth_callback`);
  assert.equal(asked.get("display"), "pc");
  assert.match(asked.get("state"), /^[0-9A-Za-z]{32}$/);
  await approve(page, stage, "10001");

  const assertThere = async (when) => {
    assert.equal(page.url(), stage.site + GUARDED, when);
    assert.equal(await heading(page), "小明，欢迎回来", when);
    assert.equal(await page.textContent("#username"), "小明", when);
  };
  await assertThere("back from QQ");
  await page.reload();
  await assertThere("after a reload");

  const { menshen_session: session, username, ...rest } = await visitor.cookies(stage.site);
  assert.deepEqual([session.httpOnly, session.sameSite, session.path], [true, "Lax", "/"]);
  assert.equal(decodeURIComponent(username.value), "小明");
  assert.deepEqual(rest, {}, "no cookie of the attempt is left");

  // A visitor who goes back to QQ and clicks again is logged in already, and not told off.
  await page.goBack();
  assert.equal(new URL(page.url()).origin, stage.qq, "back at QQ");
  await approve(page, stage, "10001");
  assert.equal(page.url(), `${stage.site}/`, "a login that was used leads home");
  assert.equal(await page.textContent("#username"), "小明");
}

export async function shops_own_button(stage) {
  const visitor = await stage.visitor();
  const page = await visitor.window();
  await page.goto(`${stage.site}/`);
  const asking = page.waitForResponse((response) => new URL(response.url()).pathname === "/qq/login/");
  await page.click(".corner a.qq");
  const answer = await asking;
  assert.deepEqual([answer.status(), answer.request().resourceType()], [200, "xhr"]);
  await page.waitForURL((address) => address.origin === stage.qq);
  await approve(page, stage, "10003");
  assert.equal(page.url(), `${stage.site}/`);
  assert.equal(await page.textContent("#username"), "Polly");
  assert.equal(await page.isVisible("#stranger"), false, "the button gives way to the greeting");
}

export async function without_scripts(stage) {
  const visitor = await stage.visitor({ javaScriptEnabled: false });
  const page = await visitor.window();
  await page.goto(`${stage.site}/goods/3/`);
  await page.click(".corner a.qq");
  await page.waitForURL((address) => address.origin === stage.qq);
  await approve(page, stage, "10001");
  assert.equal(page.url(), `${stage.site}/goods/3/`);
  await page.goto(stage.site + GUARDED);
  assert.equal(await heading(page), "小明，欢迎回来");
}

export async function same_user_everywhere(stage) {
  const ids = [];
  for (const number of ["10001", "10001", "10002"]) {
    const visitor = await stage.visitor();
    const page = await visitor.window();
    await logInAt(page, stage, GUARDED, number);
    const me = await whoAmI(page);
    const told = await page.evaluate(() => fetch("/api/me/").then((answer) => answer.json()));
    assert.equal(told.user_id, me.user_id, "the shop is told the same id");
    ids.push(me.user_id);
  }
  assert.equal(ids[0], ids[1], "one QQ user is one user, whatever the browser");
  assert.notEqual(ids[0], ids[2], "another QQ user is another user");
}

export async function our_logout(stage) {
  const visitor = await stage.visitor();
  visitor.mayGet(401);
  const [page, elsewhere] = [await visitor.window(), await visitor.window()];
  await logInAt(page, stage, GUARDED, "10001");
  const { menshen_session: session } = await visitor.cookies(stage.site);
  // Our own pages run no script: another window asks.
  await elsewhere.goto(`${stage.site}/`);

  await page.goto(`${stage.site}/.menshen/logout`);
  assert.equal(await heading(page), "要退出登录吗？");
  assert.match(await page.textContent("main"), /小明/);
  assert.equal((await whoAmI(elsewhere)).code, "0", "the question alone logs nobody out");
  await clickThrough(page, "main a.quiet");
  assert.equal(page.url(), `${stage.site}/`);
  assert.equal(await page.textContent("#username"), "小明", "who stays is still known");

  await page.goto(`${stage.site}/.menshen/logout`);
  await clickThrough(page, "main form button");
  assert.equal(await heading(page), "你已退出登录");
  assert.deepEqual(await visitor.cookies(stage.site), {});
  assert.equal((await whoAmI(elsewhere)).code, "4101", "the other window is logged out too");
  await page.goto(stage.site + GUARDED);
  await meetsLogin(page, stage);

  await visitor.context.addCookies([session]);
  assert.equal((await whoAmI(elsewhere)).code, "4101", "a cookie kept aside opens nothing");
}

export async function shops_logout(stage) {
  const visitor = await stage.visitor();
  visitor.mayGet(401);
  const page = await visitor.window();
  await logInAt(page, stage, "/orders/", "10001");
  await clickThrough(page, "#known a");
  assert.equal(page.url(), `${stage.site}/`);
  assert.equal(await page.isVisible("#known"), false);
  assert.equal(await page.isVisible("#stranger"), true);
  assert.deepEqual(await visitor.cookies(stage.site), {});
  assert.equal((await whoAmI(page)).code, "4101");
  await page.goto(stage.site + GUARDED);
  await meetsLogin(page, stage);
}

export async function cancel_on_a_phone(stage) {
  const visitor = await stage.visitor(PHONE);
  visitor.mayGet(403);
  const page = await visitor.window();
  const links = () => page.locator("main a.button").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  const cancel = async () => {
    await clickThrough(page, "button.cancel");
    assert.equal(new URL(page.url()).origin, stage.site, "a phone's QQ returns");
    assert.equal(await heading(page), "登录已取消");
    assert.deepEqual(await visitor.cookies(stage.site), {});
    await assertFits(page);
  };

  // From a page that anybody may see: back leads there.
  await page.goto(`${stage.site}/goods/3/`);
  await page.click(".corner a.qq");
  await page.waitForURL((address) => address.origin === stage.qq);
  await cancel();
  assert.deepEqual(await links(), ["/.menshen/login?next=%2Fgoods%2F3%2F", "/goods/3/"]);
  await clickThrough(page, "main a.button >> nth=1");
  assert.equal(page.url(), `${stage.site}/goods/3/`, "back to where the login began");

  // From a guarded page: back leads home, since that page would ask for a login again.
  await page.goto(stage.site + GUARDED);
  await toQq(page, stage);
  await cancel();
  assert.equal((await links())[1], "/");
  await clickThrough(page, "main a.button >> nth=1");
  assert.equal(page.url(), `${stage.site}/`, "no page that asks at once for a login");

  await page.goto(stage.site + GUARDED);
  await toQq(page, stage);
  await cancel();
  await clickThrough(page, "main a.button >> nth=0");
  await meetsLogin(page, stage);
  await toQq(page, stage);
  await approve(page, stage, "10001");
  assert.equal(page.url(), stage.site + GUARDED, "who changes their mind gets to the page they wanted");
  assert.equal(await page.textContent("#username"), "小明");
}

export async function cancel_on_a_desktop(stage) {
  const visitor = await stage.visitor();
  const page = await visitor.window();
  await page.goto(stage.site + GUARDED);
  await toQq(page, stage);
  await clickThrough(page, "button.cancel");
  assert.equal(new URL(page.url()).origin, stage.qq, "a desktop's QQ does not return");
  assert.equal(await heading(page), "已取消登录");
  await page.goto(`${stage.site}/`);
  assert.equal(await page.isVisible("#stranger"), true);
  await logInAt(page, stage, GUARDED, "10001");
  assert.equal(await page.textContent("#username"), "小明");
}

export async function two_tabs(stage) {
  const visitor = await stage.visitor();
  const tabs = [GUARDED, "/orders/"];
  const pages = await Promise.all(tabs.map(() => visitor.window()));
  await Promise.all(pages.map((page, at) => page.goto(stage.site + tabs[at])));
  const asked = await Promise.all(pages.map((page) => toQq(page, stage)));
  assert.notEqual(asked[0].get("state"), asked[1].get("state"));
  await Promise.all(pages.map((page) => approve(page, stage, "10001")));
  assert.deepEqual(pages.map((page) => page.url()), tabs.map((tab) => stage.site + tab));
  for (const page of pages) assert.equal(await page.textContent("#username"), "小明");
  assert.deepEqual(Object.keys(await visitor.cookies(stage.site)).sort(), ["menshen_session", "username"]);
}

export async function on_a_phone(stage) {
  const visitor = await stage.visitor(PHONE);
  visitor.mayGet(401, 404);
  const page = await visitor.window();
  const show = async (address) => {
    await page.goto(stage.site + address);
    await assertFits(page);
  };
  for (const address of ["/", "/goods/3/", "/headers/", "/.menshen/nowhere", GUARDED]) await show(address);
  const asked = await toQq(page, stage);
  assert.equal(asked.get("display"), "mobile");
  await assertFits(page);
  await approve(page, stage, "10001");
  assert.equal(page.url(), stage.site + GUARDED);
  for (const address of ["/", GUARDED, "/orders/", "/cart/", "/headers/", "/.menshen/logout"]) await show(address);
  await clickThrough(page, "main form button");
  await assertFits(page);
}

export async function cookies_blocked(stage) {
  const visitor = await stage.visitorWithoutCookies();
  visitor.mayGet(403);
  const page = await visitor.window();
  await page.goto(stage.site + GUARDED);
  await toQq(page, stage);
  await approve(page, stage, "10001");
  assert.equal(new URL(page.url()).pathname, "/oauth_callback");
  assert.equal(await heading(page), "还差一步，没能登录");
  const causes = await page.locator("main li").allTextContents();
  assert.equal(causes.length, 3, "of plain http none is that it is not https");
  assert.ok(causes.some((cause) => cause.includes("拦下了 Cookie")), causes.join("\n"));
  await assertFits(page);
  const paths = visitor.navigations.map((address) => new URL(address).pathname);
  const journey = ["/user/center/", "/.menshen/login", "/qq/login/", "/oauth2.0/authorize", "/oauth2.0/show"];
  assert.deepEqual(paths, [...journey, "/oauth2.0/authorize", "/oauth_callback"], "each step once: no loop");
  await clickThrough(page, "main a.button >> nth=0");
  await meetsLogin(page, stage);
}

export async function shops_form(stage) {
  const visitor = await stage.visitor();
  const page = await visitor.window();
  await logInAt(page, stage, "/goods/3/", "10001", ".corner a.qq");
  await clickThrough(page, "main form button");
  assert.equal(page.url(), `${stage.site}/cart/`);
  assert.match(await page.textContent("main .lines"), /桂花乌龙茶/);
  assert.equal(await page.textContent("#username"), "小明");
  await clickThrough(page, "main .lines form button");
  assert.equal(await page.locator("main .lines").count(), 0, "and out of the cart again");
}

export async function both_languages(stage) {
  const chinese = { lang: "zh-CN", headings: ["欢迎，请登录", "选一位测试用户登录", "李雷，欢迎回来", "要退出登录吗？", "你已退出登录"] };
  const english = {
    lang: "en",
    headings: ["Welcome! Please log in", "Log in as one of the test users", "Welcome back, 李雷", "Log out?", "You are logged out"],
  };
  for (const [locale, { lang, headings }] of [["zh-CN", chinese], ["en-US", english], ["fr-FR", english]]) {
    const visitor = await stage.visitor({ locale });
    const page = await visitor.window();
    const seen = [];
    const look = async () => {
      assert.equal(await page.getAttribute("html", "lang"), lang, `${locale} at ${page.url()}`);
      seen.push(await heading(page));
    };
    await page.goto(stage.site + GUARDED);
    await look();
    await toQq(page, stage);
    await look();
    await approve(page, stage, "10002");
    await look();
    await page.goto(`${stage.site}/.menshen/logout`);
    await look();
    await clickThrough(page, "main form button");
    await look();
    assert.deepEqual(seen, headings, locale);
  }
}

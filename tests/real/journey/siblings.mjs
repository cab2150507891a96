// What a site under the same domain tries, once a visitor of the shop has come to it. `stage.told.sibling` is its origin.

import assert from "node:assert/strict";

import { approvedBy, clickThrough, logInAt, meetsLogin, whoAmI } from "./steps.mjs";

const GUARDED = "/user/center/";

/** A visitor at the shop, in a window of the shop's and in one of the sibling's. */
async function arrive(stage) {
  const visitor = await stage.visitor({ ignoreHTTPSErrors: true });
  visitor.mayGet(401, 403);
  const [page, there] = [await visitor.window(), await visitor.window()];
  await logInAt(page, stage, GUARDED, "10001");
  return { visitor, page, there, id: (await whoAmI(page)).user_id };
}

/** Who the shop is told that the visitor is. */
async function toldAt(page, address) {
  await page.goto(address);
  return page.textContent("#told");
}

export async function a_sibling_asks(stage) {
  const { site, told } = stage;
  const { visitor, page, there, id } = await arrive(stage);
  visitor.mayComplain(/by=sibling|by CORS policy|frame-ancestors/);
  assert.equal(await page.evaluate(() => isSecureContext), site.startsWith("https:"));

  const submit = async (from, action, enctype) => {
    await there.goto(told.sibling + from);
    const arriving = Promise.all([
      there.waitForResponse((answer) => answer.url().startsWith(site) && answer.request().isNavigationRequest()),
      there.waitForEvent("load"),
    ]);
    await there.evaluate(([action, enctype]) => {
      const form = Object.assign(document.createElement("form"), { action, method: "post", enctype });
      form.append(Object.assign(document.createElement("input"), { name: "goods", value: "3" }));
      document.body.append(form);
      form.submit();
    }, [action.replace(/^bounce:/, `${told.sibling}/bounce?`), enctype]);
    const [answer] = await arriving;
    return answer.status();
  };
  const plain = "application/x-www-form-urlencoded";
  for (const from of ["/", "/silent"]) {
    for (const enctype of [plain, "text/plain", "multipart/form-data"]) {
      assert.equal(await submit(from, `${site}/cart/?by=sibling`, enctype), 403, `${from} ${enctype}`);
    }
    assert.equal(await submit(from, `${site}${GUARDED}?by=sibling`, plain), 403, from);
    assert.equal(await submit(from, `${site}/.menshen/logout?by=sibling`, plain), 403, from);
    assert.equal(await submit(from, `bounce:${encodeURIComponent(`${site}/cart/?by=sibling`)}`, plain), 403, from);
    assert.equal(await submit(from, `${site}/public/?by=sibling`, plain), 200, from);
    assert.equal(await there.textContent("#told"), "nobody");
  }

  // By a script, by a frame, and by a frame without an origin: what arrives is for the shop's side of the test to judge.
  await there.goto(told.sibling);
  for (const path of ["/cart/", GUARDED, "/.menshen/logout"]) {
    await there.evaluate(async (address) => {
      for (const [mode, method] of [["no-cors", "POST"], ["cors", "POST"], ["cors", "PUT"], ["cors", "DELETE"]]) {
        await fetch(address, { method, mode, credentials: "include", body: "x=1" }).catch(() => {});
      }
      navigator.sendBeacon(address, "x=1");
    }, `${site}${path}?by=sibling`);
    // The second one has no origin.
    for (const attribute of ["srcdoc", "src"]) {
      const address = `${site}${path}?by=sibling&frame=${attribute}`;
      // Our pages cannot be framed: that is a failure to the browser.
      const answered = new Promise((resolve) => {
        const look = (request) => request.url() === address && resolve();
        there.on("requestfinished", look).on("requestfailed", look);
      });
      await there.evaluate(([address, attribute]) => {
        const text = `<form method="post" action="${address}"></form><script>document.forms[0].submit()</script>`;
        const value = attribute === "src" ? `data:text/html,${encodeURIComponent(text)}` : text;
        document.body.append(Object.assign(document.createElement("iframe"), { [attribute]: value }));
      }, [address, attribute]);
      await answered;
    }
  }

  const socket = (window, by) => window.evaluate((address) => new Promise((resolve) => {
    const socket = new WebSocket(address);
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
  }), `${site.replace("http", "ws")}/ws?by=${by}`);
  assert.equal(await socket(there, "sibling"), "refused");

  // The visitor is who they were, and the shop's own pages do what the sibling's could not.
  assert.equal(await toldAt(page, `${site}${GUARDED}`), id);
  assert.equal((await whoAmI(page)).user_id, id);
  assert.equal(await socket(page, "shop"), "open");
  await page.evaluate(() => {
    const form = Object.assign(document.createElement("form"), { action: "/cart/?by=shop", method: "post" });
    document.body.append(form);
  });
  const arriving = page.waitForURL(`${site}/cart/?by=shop`);
  await page.evaluate(() => document.forms[0].submit());
  await arriving;
  assert.equal(await page.textContent("#told"), id);
  await page.goto(`${site}/.menshen/logout`);
  await clickThrough(page, "main form button");
  await page.goto(site + GUARDED);
  await meetsLogin(page, stage);
}

/** The sibling's owner, with a session and a login under way, of their own: the cookies' values. */
async function attacker(stage) {
  const visitor = await stage.visitor({ ignoreHTTPSErrors: true });
  const page = await visitor.window();
  await logInAt(page, stage, GUARDED, "10002");
  const session = Object.values(await visitor.cookies(stage.site)).find(({ name }) => name.endsWith("menshen_session"));
  const start = await page.evaluate(() => fetch("/qq/login/?next=/user/center/").then((answer) => answer.json()));
  const attempt = Object.values(await visitor.cookies(stage.site)).find(({ name }) => name.includes("menshen_login_"));
  return { id: (await whoAmI(page)).user_id, session, attempt, callback: (await approvedBy(start.login_url, "10002")).href };
}

/** Comes to the sibling, which sets cookies for the whole domain; afterwards they are gone again. */
async function planted(stage, { visitor, there }, cookies, look) {
  for (const cookie of cookies) await there.goto(`${stage.told.sibling}/plant?${encodeURIComponent(cookie)}`);
  await look();
  await visitor.context.clearCookies({ domain: ".meiduo.site" });
  await visitor.context.clearCookies({ domain: new URL(stage.told.sibling).hostname });
}

export async function a_sibling_plants_over_http(stage) {
  const { site } = stage;
  const { session, attempt } = await attacker(stage);
  const victim = await arrive(stage);
  const { page, id } = victim;
  const cookie = (path) => `menshen_session=${session.value}; Domain=meiduo.site; Path=${path}`;
  const isSelf = async (what) => {
    assert.equal(await toldAt(page, `${site}${GUARDED}?by=shop`), id, what);
    assert.equal((await whoAmI(page)).user_id, id, what);
  };
  for (const cookies of [[cookie("/")], [`${cookie("/")}; HttpOnly`], [cookie("/"), cookie("/user"), cookie("/user/center")]]) {
    await planted(stage, victim, cookies, async () => {
      assert.equal(await toldAt(page, `${site}/`), "nobody");
      assert.equal((await whoAmI(page)).code, "4101");
      await page.goto(site + GUARDED);
      await meetsLogin(page, stage);
    });
    await isSelf("once it is gone");
  }
  // Where it does not reach the visitor is known, where it does nobody is.
  await planted(stage, victim, [cookie("/user")], async () => {
    assert.equal(await toldAt(page, `${site}/`), id);
    await page.goto(site + GUARDED);
    await meetsLogin(page, stage);
  });
  // What proves nothing takes nothing away.
  const junk = ["junk", "", `${session.value.slice(0, -1)}-`, attempt.value].flatMap((value) => [
    `menshen_session=${value}; Domain=meiduo.site; Path=/`,
    `menshen_session=${value}; Domain=meiduo.site; Path=/user`,
    `__Host-menshen_session=${value}; Domain=meiduo.site; Path=/`,
    `menshen_login_${value.slice(0, 8)}=${value}; Domain=meiduo.site; Path=/`,
  ]);
  await planted(stage, victim, junk, () => isSelf("among junk"));
}

export async function a_sibling_plants_over_https(stage) {
  const { site } = stage;
  const { session, attempt, callback, id: other } = await attacker(stage);
  assert.ok(session.name.startsWith("__Host-") && attempt.name.startsWith("__Host-"));
  const victim = await arrive(stage);
  const { page, id } = victim;
  const isSelf = async (what) => {
    for (const path of ["/", GUARDED]) assert.equal(await toldAt(page, `${site}${path}?by=shop`), id, what);
    assert.equal((await whoAmI(page)).user_id, id, what);
  };
  const forms = ({ name, value }) => [
    `${name}=${value}; Domain=meiduo.site; Path=/; Secure`,
    `${name}=${value}; Path=/; Secure`,
    `=${name}=${value}; Domain=meiduo.site; Path=/; Secure`,
    ...["", "__Secure-", "__host-", "__HOST-", "__Host", " __Host-", "\u2003__Host-", "$__Host-"].flatMap((prefix) =>
      ["/", "/user"].map((path) => `${name.replace("__Host-", prefix)}=${value}; Domain=meiduo.site; Path=${path}; Secure`),
    ),
  ];
  for (const one of forms(session)) await planted(stage, victim, [one], () => isSelf(one));
  await planted(stage, victim, forms(session), () => isSelf("all at once"));

  // Nor is a login that the attacker has begun ended as the visitor's own.
  await planted(stage, victim, forms(attempt), async () => {
    await page.goto(callback);
    await isSelf("after the attacker's callback");
  });
  const stranger = await stage.visitor({ ignoreHTTPSErrors: true });
  stranger.mayGet(401, 403);
  const [shop, there] = [await stranger.window(), await stranger.window()];
  await planted(stage, { visitor: stranger, there }, [...forms(session), ...forms(attempt)], async () => {
    await shop.goto(callback);
    const told = await toldAt(shop, `${site}/`);
    assert.deepEqual([told, told === other], ["nobody", false]);
  });
}

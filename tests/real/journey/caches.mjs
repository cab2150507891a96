// Two users and a stranger at a shop whose pages a cache before it keeps. `stage.told.pages` are the pages' names.

import assert from "node:assert/strict";

import { logInAt, meetsLogin, whoAmI } from "./steps.mjs";

/** Somebody with a window of their own; without a number a stranger. */
async function arrive(stage, number) {
  const visitor = await stage.visitor({ ignoreHTTPSErrors: true });
  visitor.mayGet(401, 403);
  const page = await visitor.window();
  if (number === undefined) return { page, id: "nobody" };
  await logInAt(page, stage, "/required/home", number);
  return { page, id: (await whoAmI(page)).user_id };
}

export async function each_sees_their_own_pages(stage) {
  const { site, told } = stage;
  const people = [await arrive(stage, "10001"), await arrive(stage, "10002"), await arrive(stage)];
  assert.equal(new Set(people.map(({ id }) => id)).size, 3);

  const sees = async ({ page, id }, address) => {
    if (id === "nobody" && address.includes("/required/")) return meetsLogin(page, stage);
    assert.equal(page.url(), address);
    assert.equal(await page.textContent("#told"), id, address);
  };
  for (const [turn, way] of told.pages.entries()) {
    // Each is the first at some of the pages.
    const order = [...people.slice(turn % 3), ...people.slice(0, turn % 3)];
    const [optional, required] = ["optional", "required"].map((access) => `${site}/${access}/${way}`);
    for (const person of order) {
      for (const address of [optional, required]) {
        await person.page.goto(address);
        await sees(person, address);
      }
    }
    for (const person of order) {
      const { page } = person;
      await page.reload();
      await sees(person, required);
      await page.goBack();
      await sees(person, optional);
      await page.reload();
      await sees(person, optional);
      // A script of the shop's is told no other.
      const fetched = await page.evaluate((address) => fetch(address).then((answer) => answer.text()), optional);
      assert.ok(fetched.includes(`>${person.id}<`), `${optional}: ${fetched}`);
      await page.goForward();
      await sees(person, required);
    }
  }

  // The cache does keep what is nobody's: a newcomer is shown what another stranger was.
  const { page } = await arrive(stage);
  const answer = await page.goto(`${site}/optional/s-maxage`);
  assert.deepEqual([await page.textContent("#told"), answer.headers()["x-cache"]], ["nobody", "HIT"]);
  for (const { page, id } of people.filter(({ id }) => id !== "nobody")) assert.equal((await whoAmI(page)).user_id, id);
}

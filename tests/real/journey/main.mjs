// Plays cases in one browser: a line on standard input names a case and says where everything is, a line on standard
// output says what went wrong, or null. Ends with its input.

import { createInterface } from "node:readline";

import * as caches from "./caches.mjs";
import * as visitors from "./cases.mjs";
import * as frontEnds from "./front_end.mjs";
import * as redirects from "./redirects.mjs";
import * as secured from "./secured.mjs";
import * as siblings from "./siblings.mjs";
import { Chromium, Stage } from "./stage.mjs";

/** Longest time for one case, in milliseconds: most take a second or two. */
const PATIENCE = 120_000;

const cases = { ...visitors, ...caches, ...frontEnds, ...redirects, ...secured, ...siblings };

const [program, parts, screens] = process.argv.slice(2);
const chromium = await Chromium.start(program, parts);

for await (const line of createInterface({ input: process.stdin })) {
  const { name, site, qq, told } = JSON.parse(line);
  const stage = new Stage(chromium, site, qq, told);
  const fault = await play(name, stage);
  await stage.close();
  process.stdout.write(`${JSON.stringify(fault)}\n`);
}
await chromium.close();

/** What went wrong, with where each window stands. */
async function play(name, stage) {
  try {
    await Promise.race([cases[name](stage), patience()]);
    stage.assertClean();
    return null;
  } catch (error) {
    return `${name}: ${error.stack}\n${await stage.describe(screens, name)}`;
  }
}

function patience() {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`not done after ${PATIENCE / 1000} seconds`)), PATIENCE).unref();
  });
}

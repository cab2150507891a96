// Plays one case of the journey in a browser: `node main.mjs <case>`, told by the environment where everything is.
// Ends with 0 if it went as it should; else the last lines on standard error say what did not.

import { Stage } from "./stage.mjs";
import * as cases from "./cases.mjs";

/** Longest time for one case, in milliseconds: each takes a few seconds. */
const PATIENCE = 60_000;

const name = process.argv[2];
const play = cases[name];
if (!play) throw new Error(`there is no case "${name}"`);

setTimeout(() => {
  console.error(`${name}: not done after ${PATIENCE / 1000} seconds`);
  process.exit(1);
}, PATIENCE).unref();

const stage = await Stage.open(JSON.parse(process.env.JOURNEY));
try {
  await play(stage);
  stage.assertClean();
} catch (error) {
  console.error(`${name}: ${error.stack}`);
  console.error(await stage.describe(name));
  process.exitCode = 1;
} finally {
  await stage.close();
}

// An OpenID provider of the npm package oidc-provider, as its own documentation sets it up, with its pages for development:
// whoever names themselves is believed. Told: the folder with the packages, its address, its client's redirect_uri, the name
// of its key.

import { generateKeyPairSync } from "node:crypto";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [parts, address, redirectUri, kid] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(path.join(parts, "node_modules/oidc-provider/lib/index.js")));

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const provider = new Provider(`http://${address}`, {
  clients: [{ client_id: "menshen", client_secret: "a-secret-of-the-shops", redirect_uris: [redirectUri] }],
  cookies: { keys: ["only for tests"] },
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" }] },
  claims: { openid: ["sub"], profile: ["name", "picture"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `${id} of the company` }) }),
  pkce: { required: () => true },
});
const [host, port] = address.split(":");
provider.listen(Number(port), host, () => console.log(`${kid} is listening`));

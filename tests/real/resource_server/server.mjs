// An API of Express's that knows the issuer of its tokens and nothing else: express-oauth2-jwt-bearer finds keys and algorithm by
// the discovery document. Told: the folder with the packages, the issuer.

import dns from "node:dns";
import { createRequire } from "node:module";
import path from "node:path";

const [parts, issuer] = process.argv.slice(2);
const require = createRequire(path.join(parts, "package.json"));
const express = require("express");
const { auth } = require("express-oauth2-jwt-bearer");

// Stands for a line in the hosts file.
const { lookup } = dns;
dns.lookup = (name, ...more) => lookup(name.endsWith(".meiduo.site") ? "127.0.0.1" : name, ...more);

const app = express();
app.use(auth({ issuerBaseURL: issuer, audience: "api", tokenSigningAlg: "ES256" }));
app.all("/{*rest}", (request, response) => response.json(request.auth.payload));
const server = app.listen(0, "127.0.0.1", () => console.log(`listening at ${server.address().port}`));

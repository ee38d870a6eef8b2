// The smallest app on atlassian-connect-express that answers a context token with a JSON from its database:
// two processes, each with as many connections as the product has. Started by `python -m benchmarks.peer`.
const cluster = require("node:cluster");

const PROCESSES = 2;
process.chdir(__dirname); // where the framework looks for config.json and the descriptor

async function serve() {
  const express = require("express");
  const connect = require("atlassian-connect-express");

  const app = express();
  const addon = connect(app);
  app.use(express.json(), express.urlencoded({extended: false})); // its middleware asks for a parsed body
  app.get("/api/issues/:id/clocks", addon.authenticate(true), async (request, response, next) => {
    try {
      const [rows] = await addon.schema.query(
        "SELECT document FROM clocks WHERE client_key = $1 AND issue = $2",
        {bind: [request.context.clientKey, request.params.id]}
      );
      if (rows.length) response.json(rows[0].document);
      else response.status(404).json({message: "not found"});
    } catch (error) {
      next(error);
    }
  });
  const {connectionPromise, installationMappingPromise, forgeSettingsPromise} = addon.settings;
  await Promise.all([connectionPromise, installationMappingPromise, forgeSettingsPromise]);
  app.listen(process.env.PORT, "127.0.0.1");
}

if (cluster.isPrimary) {
  let listening = 0;
  // one after the other: each makes the tables where they are missing, and two at once fail
  cluster.on("listening", () => {
    listening += 1;
    if (listening < PROCESSES) cluster.fork();
    else console.error("web ready");
  });
  cluster.on("exit", () => process.exit(1));
  cluster.fork();
} else {
  serve();
}

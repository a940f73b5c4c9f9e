// The genuine Node SDK against a running stack: makes a meter, sends single and batched usage, queries it back.
// Run from the folder that holds node_modules: node sdk_smoke.mjs <api url> <api key>; prints what it saw as JSON.
const { OpenMeter } = await import("@openmeter/sdk");

const [baseUrl, apiKey] = process.argv.slice(-2);
const openmeter = new OpenMeter({ baseUrl, apiKey });

const meter = await openmeter.meters.create({
  slug: "tokens",
  eventType: "call",
  aggregation: "SUM",
  valueProperty: "$.tokens",
  groupBy: { model: "$.model" },
});

const event = (id, tokens, model) => ({ id, type: "call", subject: "acme", data: { tokens, model } });
await openmeter.events.ingest(event("one", 1, "small"));
const batch = [event("two", 10, "small"), event("three", 100, "large")];
// It stamps a new time on every call, so this resend is the same ids at another time.
await openmeter.events.ingest(batch);
await new Promise((resolve) => setTimeout(resolve, 1500));
await openmeter.events.ingest(batch);

let total = 0;
let rows = [];
for (let round = 0; round < 100 && total < 111; round++) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  rows = (await openmeter.meters.query("tokens", { groupBy: ["model"] })).data;
  total = rows.reduce((sum, row) => sum + row.value, 0);
}
await new Promise((resolve) => setTimeout(resolve, 3000));
rows = (await openmeter.meters.query("tokens", { groupBy: ["model"] })).data;

console.log(JSON.stringify({ slug: meter.slug, byModel: Object.fromEntries(rows.map((r) => [r.groupBy.model, r.value])) }));

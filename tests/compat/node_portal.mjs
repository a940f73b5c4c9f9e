// The genuine Node SDK makes a portal token, and its portal client asks with it; prints what they saw as JSON.
// Run from a folder that holds node_modules: node node_portal.mjs <api url> <api key>
import { OpenMeter } from "@openmeter/sdk";
import { OpenMeter as Portal } from "@openmeter/sdk/portal";

const [baseUrl, apiKey] = process.argv.slice(-2);
const openmeter = new OpenMeter({ baseUrl, apiKey });

async function refusal(promise) {
  try {
    return { answer: await promise };
  } catch (error) {
    return { status: error.status, detail: error.message };
  }
}

const made = await openmeter.portal.create({ subject: "bob", allowedMeterSlugs: ["tokens"] });
const page = new Portal({ baseUrl, portalToken: made.token });
const all = await page.query("tokens");
const asked = await page.query("tokens", {
  from: new Date(Date.now() - 7 * 86_400_000),
  windowSize: "DAY",
  groupBy: ["model"],
  filterGroupBy: { model: "gpt-5" },
});
const hidden = await refusal(page.query("hidden"));
const listed = await openmeter.portal.list({ limit: 5 });
await openmeter.portal.invalidate({ id: made.id });

console.log(
  JSON.stringify({
    madeIsADate: made.createdAt instanceof Date,
    total: all.data.map((row) => [row.subject, row.value]),
    asked: asked.data.map((row) => [row.groupBy.model, row.value, row.windowStart instanceof Date]),
    hidden,
    listed: listed.map((each) => [each.id === made.id, each.token ?? null, each.expired]),
    left: (await openmeter.portal.list()).map((each) => each.expired),
  }),
);

// The genuine Node SDK against a running stack, one scenario a run; prints what it saw as JSON.
// Run from a folder that holds node_modules: node node_sdk.mjs <scenario> <api url> <api key>
const { OpenMeter } = await import("@openmeter/sdk");

const [scenario, baseUrl, apiKey] = process.argv.slice(-3);
const openmeter = new OpenMeter({ baseUrl, apiKey });

const METER = {
  slug: "tokens",
  eventType: "call",
  aggregation: "SUM",
  valueProperty: "$.tokens",
  groupBy: { model: "$.model", region: "$.region" },
};
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
// Yesterday's noon: now cuts no window, and an hour or two later is still the same day.
const start = new Date(Math.floor(Date.now() / DAY) * DAY - DAY / 2);

const IDLE_ROUNDS = 1_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const event = (id, tokens, model, more = {}) => ({
  id,
  type: "call",
  subject: "acme",
  data: { tokens, model, region: "eu" },
  ...more,
});
const at = (seconds) => ({ time: new Date(start.getTime() + seconds * 1000) });
const rows = async (query = {}) => (await openmeter.meters.query("tokens", query)).data;
const total = async () => (await rows()).reduce((sum, row) => sum + row.value, 0);

// Until the meter says so, or has not moved for five minutes; and then a little longer, so that whatever would be counted twice has been.
async function reaches(expected) {
  let seen = await total();
  for (let still = 0; still < IDLE_ROUNDS && seen < expected; still++) {
    await pause(300);
    const now = await total();
    if (now !== seen) [seen, still] = [now, 0];
  }
  await pause(2_500);
  return total();
}

async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, title: error.title, detail: error.message };
  }
}

const scenarios = {
  async meters() {
    const made = await openmeter.meters.create(METER);
    const again = await refusal(openmeter.meters.create(METER));
    const updated = await openmeter.meters.update("tokens", { name: "Tokens", groupBy: METER.groupBy });
    const found = await openmeter.meters.get(made.id);
    const listed = await openmeter.meters.list();
    await openmeter.meters.delete("tokens");
    return {
      slug: made.slug,
      createdAtIsADate: made.createdAt instanceof Date,
      again,
      name: updated.name,
      foundByItsId: found.slug,
      listed: listed.map((meter) => meter.slug),
      afterwards: await refusal(openmeter.meters.get("tokens")),
      left: (await openmeter.meters.list()).length,
    };
  },

  async events() {
    await openmeter.meters.create(METER);
    await openmeter.events.ingest(event("one", 1, "small"));
    await openmeter.events.ingest([event("two", 10, "small"), event("three", 100, "large", { subject: "globex" })]);
    const counted = await reaches(111);
    const newest = await openmeter.events.list();
    const ofGlobex = await openmeter.events.list({ subject: "globex", limit: 10 });
    const first = await openmeter.events.listV2({ limit: 2 });
    const second = await openmeter.events.listV2({ limit: 2, cursor: first.nextCursor });
    const subjects = await openmeter.client.GET("/api/v1/meters/{meterIdOrSlug}/subjects", {
      params: { path: { meterIdOrSlug: "tokens" } },
    });
    return {
      counted,
      listed: newest.map((each) => each.event.id).sort(),
      timesAreDates: newest.every((each) => each.event.time instanceof Date && each.ingestedAt instanceof Date),
      data: newest.find((each) => each.event.id === "three").event.data,
      ofGlobex: ofGlobex.map((each) => each.event.id),
      pages: [first.items.length, second.items.length],
      paged: [...first.items, ...second.items].map((each) => each.event.id).sort(),
      subjects: [...subjects.data].sort(),
      models: await openmeter.meters.listGroupByValues("tokens", "model", { from: new Date(Date.now() - HOUR) }),
      refused: await refusal(openmeter.events.ingest({ id: "x", type: "call", subject: "" })),
    };
  },

  async queries() {
    await openmeter.meters.create(METER);
    await openmeter.events.ingest([
      event("one", 1, "small", at(10)),
      event("two", 10, "small", at(4_000)),
      event("three", 100, "large", { ...at(20), subject: "globex" }),
    ]);
    await reaches(111);
    const range = { from: start, to: new Date(start.getTime() + 3 * HOUR) };
    const hourly = await rows({ ...range, windowSize: "HOUR" });
    const grouped = await rows({ ...range, groupBy: ["model", "subject"] });
    const csv = await openmeter.meters.query(
      "tokens",
      { ...range, windowSize: "DAY", groupBy: ["model"] },
      { headers: { Accept: "text/csv" }, parseAs: "text" },
    );
    const advanced = await openmeter.meters.queryPost("tokens", {
      ...range,
      groupBy: ["model"],
      advancedMeterGroupByFilters: { model: { $in: ["small", "tiny"] }, region: { $ne: "us" } },
    });
    return {
      hourly: hourly.map((row) => [(row.windowStart - start) / HOUR, row.value]),
      grouped: grouped.map((row) => [row.groupBy.model, row.subject, row.value]).sort(),
      ofOneSubject: (await rows({ ...range, subject: ["globex"] })).map((row) => row.value),
      filtered: (await rows({ ...range, filterGroupBy: { model: "small" } })).map((row) => row.value),
      advanced: advanced.data.map((row) => [row.groupBy.model, row.value]),
      csv: csv.trim().split("\n").map((line) => line.split(",").slice(2)),
      unknownGroup: await refusal(openmeter.meters.query("tokens", { groupBy: ["colour"] })),
    };
  },

  // Every call stamps a new time: a resend is the same id at another time.
  async resends() {
    await openmeter.meters.create(METER);
    const batch = [event("one", 1, "small"), event("two", 10, "small")];
    await openmeter.events.ingest(batch);
    await pause(1_500);
    await openmeter.events.ingest(batch);
    // 12:04:59 and 12:05:01, 12:59:59 and 13:00:01: the same call, twice within the look-back.
    await openmeter.events.ingest(event("bucket", 100, "small", at(299)));
    await openmeter.events.ingest(event("bucket", 100, "small", at(301)));
    await openmeter.events.ingest(event("hour", 1_000, "small", at(3_599)));
    await openmeter.events.ingest(event("hour", 1_000, "small", at(3_601)));
    await openmeter.events.ingest([event("both", 10_000, "small", at(299)), event("both", 10_000, "small", at(301))]);
    await openmeter.events.ingest(event("last", 100_000, "small"));
    const counted = await reaches(111_111);
    const hourly = await rows({ from: start, to: new Date(start.getTime() + 2 * HOUR), windowSize: "HOUR" });
    return { counted, hourly: hourly.map((row) => [(row.windowStart - start) / HOUR, row.value]) };
  },

  // A plan of three phases with every price there is; a customer who subscribes, edits, changes and cancels.
  async selling() {
    await openmeter.meters.create(METER);
    const keys = ["calls", "storage", "seats", "spend", "minutes"];
    for (const key of keys) await openmeter.features.create({ key, name: key, meterSlug: "tokens" });
    const customer = await openmeter.customers.create({
      name: "Acme",
      key: "acme",
      usageAttribution: { subjectKeys: ["acme"] },
    });
    const draft = await openmeter.plans.create(plan("pro", everyPrice()));
    const wrong = await refusal(openmeter.plans.create({ ...plan("wrong", everyPrice()), phases: [] }));
    const published = await openmeter.plans.publish(draft.id);
    const team = await openmeter.plans.create(plan("team", [fee("platform", "99.00")]));
    await openmeter.plans.publish(team.id);

    const made = await openmeter.subscriptions.create({
      customerId: customer.id,
      plan: { key: "pro" },
      startingPhase: "ramp",
      timing: "immediate",
    });
    const second = await refusal(
      openmeter.subscriptions.create({ customerId: customer.id, plan: { key: "pro" }, timing: "immediate" }),
    );
    const edited = await openmeter.subscriptions.edit(made.id, {
      customizations: [{ op: "add_item", phaseKey: "ramp", rateCard: fee("extra", "5") }],
      timing: "immediate",
    });
    const shown = await openmeter.subscriptions.get(edited.id);
    const changed = await openmeter.subscriptions.change(made.id, { plan: { key: "team" }, timing: "immediate" });
    const canceled = await openmeter.subscriptions.cancel(changed.next.id, { timing: "next_billing_cycle" });
    const goesOn = await openmeter.subscriptions.unscheduleCancelation(changed.next.id);
    return {
      draft: draft.status,
      published: published.status,
      phases: published.phases.map((phase) => phase.key),
      prices: published.phases[1].rateCards.map((card) => card.price.type),
      wrong,
      status: made.status,
      startedAtIsADate: made.activeFrom instanceof Date,
      second,
      items: shown.phases[0].items.map((item) => item.key).sort(),
      changed: [changed.current.status, changed.next.status, changed.next.plan.key],
      canceled: canceled.status,
      goesOn: goesOn.status,
    };
  },

  // Quantities that nobody used become an invoice that nobody owes.
  // A limit is used up, topped up and reset; both versions of the API.
  async access() {
    await openmeter.meters.create(METER);
    await openmeter.features.create({ key: "tokens", name: "Tokens", meterSlug: "tokens" });
    const body = { name: "Acme", key: "acme", usageAttribution: { subjectKeys: ["acme"] } };
    await openmeter.customers.create(body);
    const { entitlements } = openmeter.customers;
    const limit = { type: "metered", featureKey: "tokens", usagePeriod: { interval: "MONTH" }, issue: { amount: 100 } };
    const made = await entitlements.create("acme", limit);
    await openmeter.events.ingest(event("one", 130, "small"));
    await reaches(130);
    const usedUp = await entitlements.value("acme", "tokens");
    const grant = await entitlements.createGrant("acme", "tokens", { amount: 50, effectiveAt: new Date(), priority: 1 });
    const toppedUp = await entitlements.value("acme", "tokens");
    const history = await entitlements.history("acme", "tokens", "HOUR");
    const again = await refusal(entitlements.create("acme", limit));
    const bySubject = await openmeter.entitlementsV1.value("acme", "tokens");
    const access = await openmeter.customers.getAccess("acme");
    const listed = await openmeter.entitlements.list();
    const grants = await openmeter.entitlements.grants.list();
    await openmeter.entitlements.grants.void(grant.id);
    const voided = await entitlements.value("acme", "tokens");
    const override = await entitlements.override("acme", "tokens", { ...limit, isSoftLimit: true });
    await entitlements.delete("acme", "tokens");
    return {
      usedUp,
      toppedUp,
      used: history.windowedHistory.map((each) => each.usage),
      again,
      bySubject,
      access: Object.keys(access.entitlements),
      listed: listed.items.map((each) => each.id === made.id),
      createdAtIsADate: made.createdAt instanceof Date,
      grants: grants.items.length,
      voided,
      isSoftLimit: override.isSoftLimit,
      afterwards: await entitlements.value("acme", "tokens"),
    };
  },

  async simulating() {
    const customer = await openmeter.customers.create({ name: "Acme", usageAttribution: { subjectKeys: ["sim"] } });
    const period = { from: new Date("2026-04-01T00:00:00Z"), to: new Date("2026-05-01T00:00:00Z") };
    const line = (name, price, quantity, more = {}) => ({
      name,
      period,
      invoiceAt: period.to,
      quantity,
      rateCard: { price, discounts: { percentage: { percentage: 10 } } },
      ...more,
    });
    const simulate = (...lines) =>
      openmeter.billing.invoices.simulate(customer.id, { currency: "USD", lines });
    const invoice = await simulate(
      line("platform", { type: "flat", amount: "49", paymentTerm: "in_advance" }, "1"),
      line("calls", { type: "unit", amount: "0.0000025", minimumAmount: "1" }, "1234567"),
      line("storage", tiered("graduated"), "500", { preLinePeriodQuantity: "900" }),
    );
    return {
      number: invoice.number,
      status: invoice.status,
      total: invoice.totals.total,
      lines: invoice.lines.map((each) => each.totals.total),
      createdAtIsADate: invoice.createdAt instanceof Date,
      refused: await refusal(simulate(line("calls", { type: "unit", amount: "1" }, "-1"))),
    };
  },
};

function fee(key, amount, billingCadence = "P1M", paymentTerm = "in_advance") {
  return { type: "flat_fee", key, name: key, billingCadence, price: { type: "flat", amount, paymentTerm } };
}

function usage(key, price, more = {}) {
  return { type: "usage_based", key, name: key, featureKey: key, billingCadence: "P1M", price, ...more };
}

function tiered(mode) {
  const tiers = [
    { upToAmount: "1000", flatPrice: { type: "flat", amount: "5" }, unitPrice: null },
    { flatPrice: null, unitPrice: { type: "unit", amount: "0.002" } },
  ];
  return { type: "tiered", mode, tiers };
}

function everyPrice() {
  const entitlementTemplate = { type: "metered", issueAfterReset: 1000, isSoftLimit: true };
  return [
    fee("platform", "49.00"),
    fee("setup", "99", null),
    usage("calls", { type: "unit", amount: "0.0000025", minimumAmount: "1" }, { entitlementTemplate }),
    usage("storage", tiered("graduated"), { discounts: { usage: { quantity: "10" } } }),
    usage("seats", tiered("volume")),
    usage("spend", { type: "dynamic", multiplier: "1.2", maximumAmount: "500" }),
    usage("minutes", { type: "package", amount: "3", quantityPerPackage: "60" }),
  ];
}

function plan(key, rateCards) {
  const phases = [
    { key: "trial", name: "Trial", duration: "P14D", rateCards: [] },
    { key: "ramp", name: "Ramp", duration: "P3M", rateCards },
    { key: "rest", name: "Rest", duration: null, rateCards },
  ];
  return { key, name: key, currency: "USD", billingCadence: "P1M", phases };
}

console.log(JSON.stringify(await scenarios[scenario]()));

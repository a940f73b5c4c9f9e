// A client of the generated types: what it asks for is in the document under the names that OpenMeter has.
import type { components, paths } from "./api";

type Schemas = components["schemas"];

const plan: Schemas["PlanCreate"] = {
  key: "pro", name: "Pro", currency: "USD", billingCadence: "P1M",
  phases: [{
    key: "main", name: "Main", duration: null,
    rateCards: [{
      type: "usage_based", key: "tokens", name: "Tokens", featureKey: "tokens", billingCadence: "P1M",
      price: { type: "unit", amount: "0.002" },
    }],
  }],
};

type Listed = paths["/api/v1/features"]["get"]["responses"]["200"]["content"]["application/json"];
type Customers = paths["/api/v1/customers"]["get"]["responses"]["200"]["content"]["application/json"];
type Query = NonNullable<paths["/api/v1/meters/{id_or_slug}/query"]["get"]["parameters"]["query"]>;

const query: Query = { from: "2026-01-01T00:00:00Z", windowSize: "DAY", groupBy: ["model"] };
const first = (row: Schemas["MeterQueryRow"]): number | null => row.value;
const keys = (listed: Listed): string[] => ("items" in listed ? listed.items : listed).map((feature) => feature.key);
const names = (listed: Customers): string[] => listed.items.map((customer) => customer.name);

type Refused = paths["/api/v1/features"]["get"]["responses"]["403"]["content"]["application/json"];
const reason = (refused: Refused): string => ("message" in refused ? refused.message : refused.detail);

export { first, keys, names, plan, query, reason };

// What the genuine CloudEvents SDK of Node puts on the wire, by name, as JSON.
// Run from a folder that holds node_modules.
import { CloudEvent, HTTP } from "cloudevents";

const made = (more = {}) =>
  new CloudEvent({
    id: "node-1",
    source: "/node",
    type: "prompt",
    subject: "acme",
    time: "2026-11-28T10:00:00.250Z",
    data: { tokens: 5, model: "größe 😀" },
    ...more,
  });
const bytes = new TextEncoder().encode('{"tokens":5}');

const messages = {
  binary: HTTP.binary(made()),
  structured: HTTP.structured(made()),
  "binary with extensions": HTTP.binary(made({ traceparent: "00-1", attempt: 3, sampled: true })),
  "structured with extensions": HTTP.structured(made({ traceparent: "00-1", attempt: 3, sampled: true })),
  "binary without data": HTTP.binary(made({ data: undefined })),
  "structured without data": HTTP.structured(made({ data: undefined })),
  "binary of another json": HTTP.binary(made({ datacontenttype: "application/vnd.acme+json" })),
  "structured of another json": HTTP.structured(made({ datacontenttype: "application/vnd.acme+json" })),
  "structured of bytes": HTTP.structured(made({ data: bytes })),
  "binary of a text": HTTP.binary(made({ data: "five", datacontenttype: "text/plain" })),
  "structured of a text": HTTP.structured(made({ data: "five", datacontenttype: "text/plain" })),
  batch: {
    headers: { "content-type": "application/cloudevents-batch+json" },
    body: JSON.stringify([made(), made({ id: "node-2" })]),
  },
};
console.log(JSON.stringify(messages));

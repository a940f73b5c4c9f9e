// Prints each problem that Redocly's recommended rules find in the document named by the argument, as JSON.
import { createRequire } from "node:module";

const { createConfig, lint } = createRequire(import.meta.url)("@redocly/openapi-core");

const config = await createConfig({ extends: ["recommended"] });
const problems = await lint({ ref: process.argv[2], config });
console.log(JSON.stringify(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])));

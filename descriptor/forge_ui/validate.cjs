// Prints what @forge/manifest says of ./manifest.yml: a JSON list of texts.
const { ProcessorBuilder, ValidationTypes } = require("@forge/manifest");

const TYPES = ["FULL", "PRODUCT_TRIGGER", "FORGE_REMOTE_COMPUTE"];

async function findings(type) {
  const processor = ProcessorBuilder.instance().withValidation(ValidationTypes[type]).build();
  const { errors = [], success } = await processor.process("manifest.yml");
  const texts = errors.map(({ line, column, level, message }) => `${line}:${column} ${level}: ${message}`);
  return success || texts.length ? texts : [`${type}: refused without a reason`];
}

(async () => {
  const found = [];
  for (const type of TYPES) found.push(...(await findings(type)));
  process.stdout.write(JSON.stringify([...new Set(found)]));
})();

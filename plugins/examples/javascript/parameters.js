// The parameters: their schema, and what can be wrong with them.

export const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    smoothing: {
      type: 'number',
      minimum: 0.001,
      maximum: 1000,
      default: 0.5,
      description: 'As how many rows a pair counts that was never seen: less makes it stand out more.',
    },
  },
};

// Every mistake; none if they are right.
export const check = (text) => {
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    return [`the parameters are no JSON: ${error.message}`];
  }
  if (given === null || typeof given !== 'object' || Array.isArray(given)) return ['the parameters must be a JSON object'];
  return Object.entries(given).flatMap(([name, value]) => {
    const rule = Object.hasOwn(schema.properties, name) ? schema.properties[name] : null;
    if (!rule) return [`${name}: no such parameter; there are ${Object.keys(schema.properties).join(', ')}`];
    if (typeof value !== 'number') return [`${name}: ${JSON.stringify(value)} is no number`];
    return value >= rule.minimum && value <= rule.maximum ? [] : [`${name}: ${value} is not ${rule.minimum} to ${rule.maximum}`];
  });
};

// The parameters with their defaults, once they are checked.
export const parse = (text) => ({ smoothing: schema.properties.smoothing.default, ...JSON.parse(text) });

// The model's bytes: JSON with the version of its shape. Raise it whenever the shape changes.

const FORMAT = 1;

export const toBytes = (model) => new TextEncoder().encode(JSON.stringify({ format: FORMAT, ...model }));

const require = (kept, what) => {
  if (!kept) throw new Error(`the model is damaged: ${what}`);
};

const count = (value) => Number.isSafeInteger(value) && value > 0;

// The model of these bytes. What is wrong with them is an Error.
export const fromBytes = (bytes) => {
  let read;
  try {
    read = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Error('the model is damaged: it is no JSON');
  }
  require(read !== null && typeof read === 'object', 'it is no object');
  if (read.format !== FORMAT) throw new Error(`the model is of format ${read.format}, this plugin reads ${FORMAT}: fit it again`);
  const { width, rows, smoothing, pairs } = read;
  require(count(width) && count(rows) && Number.isFinite(smoothing) && smoothing > 0 && Array.isArray(pairs) && pairs.length > 0, 'a number or the pairs are missing');
  for (const pair of pairs) {
    require(pair?.columns?.length === 2 && pair.columns.every((column) => Number.isSafeInteger(column) && column >= 0 && column < width), 'columns');
    require(typeof pair.seen === 'object' && pair.seen !== null && Object.values(pair.seen).every((times) => count(times) && times <= rows), 'counts');
    // Without a prototype: a key is a pair of codes and never the name of a method.
    pair.seen = Object.assign(Object.create(null), pair.seen);
  }
  return { width, rows, smoothing, pairs };
};

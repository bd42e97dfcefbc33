// Rare pairs: which two categories have not been seen together? A country, a currency and a device may each be common while a pair of them
// never was. A row's raw score is the mean, over all pairs of features that have categories, of the pair's surprisal in bits: minus the
// logarithm of the share of the training rows that had it (Shannon 1948; for anomalies Das and Schneider, "Detecting Anomalous Records in
// Categorical Datasets", 2007). A pair that was never seen counts as `smoothing` rows. Numbers are not looked at.
//
// What is exported is the contract's interface `detector`. A mistake is thrown as the contract's error: an object with tag and text.

import { log } from 'synod:detector/logging@2.0.0';
import { fromBytes, toBytes } from './model.js';
import { check, parse, schema } from './parameters.js';

const LEAST_ROWS = 10;

// The model of this instance.
let loaded = null;

const fail = (tag, val) => {
  throw val === undefined ? { tag } : { tag, val };
};

const rowsOf = ({ width, values }) => {
  if (width === 0 || values.length % width) fail('data', `${values.length} values do not make rows of ${width}`);
  return values.length / width;
};

// Every two of the columns that have categories; a single one makes a pair with itself.
const pairsOf = (features) => {
  const columns = features.flatMap(({ categories }, column) => (categories ? [column] : []));
  if (!columns.length) fail('data', 'no feature has categories to look at: give one `encode: ordinal`');
  if (columns.length === 1) return [[columns[0], columns[0]]];
  return columns.flatMap((first, at) => columns.slice(at + 1).map((second) => [first, second]));
};

// Counts how many rows have each pair of codes.
const count = ([first, second], width, values) => {
  const seen = new Map();
  for (let row = 0; row < values.length; row += width) {
    const key = `${values[row + first]} ${values[row + second]}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  // Sorted, so that the same rows give the same bytes in any order.
  return Object.fromEntries([...seen].sort(([one], [other]) => (one < other ? -1 : 1)));
};

const learn = (training) => {
  const mistakes = check(training.parameters);
  if (mistakes.length) fail('parameters', mistakes.join('; '));
  const rows = rowsOf(training.rows);
  if (rows < LEAST_ROWS) fail('data', `${rows} rows are too few: at least ${LEAST_ROWS} are needed`);
  const { width, values } = training.rows;
  const pairs = pairsOf(training.features).map((columns) => ({ columns, seen: count(columns, width, values) }));
  return { width, rows, smoothing: parse(training.parameters).smoothing, pairs };
};

// The largest share is 1, so that no pair has less than no surprise.
const surprisal = ({ columns: [first, second], seen }, values, start, { rows, smoothing }) => {
  const times = seen[`${values[start + first]} ${values[start + second]}`] ?? 0;
  return Math.log2((rows + smoothing) / (times + smoothing));
};

// Calls `take` with each row's number, each pair's columns, and what the pair adds to the row's score.
const eachPart = (matrix, take) => {
  if (!loaded) fail('model', 'no model is loaded');
  const rows = rowsOf(matrix);
  if (matrix.width !== loaded.width) {
    fail('data', `rows of ${matrix.width} features, but the model was fitted with ${loaded.width}`);
  }
  for (let row = 0; row < rows; row++) {
    for (const pair of loaded.pairs) {
      take(row, pair.columns, surprisal(pair, matrix.values, row * loaded.width, loaded) / loaded.pairs.length);
    }
  }
  return rows;
};

export const detector = {
  describe: () => ({
    name: 'example-javascript',
    version: '1.0.0',
    summary: 'Surprise about pairs of categories: what has not been seen together',
    parameters: JSON.stringify(schema),
    minimumRows: LEAST_ROWS,
    missingValues: false,
    scaling: false,
    univariate: false,
    artifact: false,
    weights: false,
    parts: false,
    continues: false,
    explains: true,
    exportsOnnx: false,
  }),

  check,

  fit: (training) => {
    const model = learn(training);
    log('info', `${model.pairs.length} pairs of features`);
    return toBytes(model);
  },

  merge: () => fail('unsupported'),

  load: (bytes) => {
    try {
      loaded = fromBytes(bytes);
    } catch (error) {
      fail('model', error.message);
    }
  },

  score: (matrix) => {
    const scores = new Float64Array(rowsOf(matrix));
    eachPart(matrix, (row, _, part) => {
      scores[row] += part;
    });
    return scores;
  },

  // Each feature of a pair has half of what the pair adds.
  explain: (matrix) => {
    const contributions = new Float64Array(matrix.values.length);
    eachPart(matrix, (row, [first, second], part) => {
      contributions[row * matrix.width + first] += part / 2;
      contributions[row * matrix.width + second] += part / 2;
    });
    return { base: 0, contributions };
  },

  exportOnnx: () => fail('unsupported'),
};

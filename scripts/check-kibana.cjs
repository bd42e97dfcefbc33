// Reads saved objects with what Kibana itself reads queries with, and says what is wrong with the queries. Called by check-kibana.sh.
//
// usage: node check-kibana.cjs FILE           exit status 1 and a line for each query that is none
//        node check-kibana.cjs FILE --dsl     each query once, as a line of JSON: what it is, and what Elasticsearch is asked
const fs = require('fs');
const { fromKueryExpression, toElasticsearchQuery } = require('@cybernetex/kbn-es-query');

// Queries may stand anywhere, also in texts that are JSON themselves.
function* queries(value) {
  if (value === null || typeof value !== 'object') return;
  if (value.language === 'kuery') yield value.query;
  for (const [key, within] of Object.entries(value)) {
    // A formula has queries within a text of its own.
    if (key === 'formula') for (const [, query] of within.matchAll(/kql='((?:[^'\\]|\\.)*)'/g)) yield query;
    yield* queries(key.endsWith('JSON') ? JSON.parse(within) : within);
  }
}

const [file, wanted] = process.argv.slice(2);
const seen = new Map();
let wrong = 0;
for (const line of fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
  const object = JSON.parse(line);
  for (const query of queries(object.attributes)) {
    if (seen.has(query)) continue;
    try {
      seen.set(query, query === '' ? { match_all: {} } : toElasticsearchQuery(fromKueryExpression(query)));
    } catch (error) {
      wrong += 1;
      console.log(`${object.type} ${object.id}: ${JSON.stringify(query)}: ${String(error.message).split('\n')[0]}`);
    }
  }
}
if (wanted === '--dsl') for (const [query, dsl] of seen) console.log(JSON.stringify({ query, dsl }));
process.exit(wrong > 0 ? 1 : 0);

#!/usr/bin/env bash
# Builds everything, fits the example detectors on transactions that Synod makes itself, and serves them.
#
# usage: scripts/run.sh [--help] [three-fields|bank]     the example to serve; three-fields if none is named
#
# Run again, it starts within seconds: nothing is built or fitted that has not changed. Ctrl-C stops it.
# scripts/client.sh sends it a stream of transactions.
. "$(dirname "$0")/lib.sh"
usage "$@"
example=${1:-three-fields}
config=config/examples/$example.yaml
[ -f "$config" ] || { echo "usage: scripts/run.sh [three-fields|bank]" >&2; exit 2; }
scripts/build.sh
find_synod

# Models are kept in .synod; they are fitted again when a plugin, the configuration or the generator changes.
state=.synod/$example.fitted
fingerprint=$(cat plugins/dist/*.wasm "$config" core/gateway/src/generate.rs core/gateway/src/generate/*.rs | sha256sum | cut -d' ' -f1)
if [ "$(cat "$state" 2>/dev/null)" != "$fingerprint" ] || ! "$synod" check --config "$config" >/dev/null 2>&1; then
    say "fitting the detectors of $config on generated transactions"
    mkdir -p .synod
    "$synod" generate --kind "$example" --rows 20000 --seed 1 --output ".synod/$example.csv"
    "$synod" fit --config "$config" --data ".synod/$example.csv"
    echo "$fingerprint" >"$state"
fi

key=.synod/admin.key
need_key "$config" "$key"

data=${SYNOD_LISTEN__DATA:-127.0.0.1:8080}
administration=${SYNOD_LISTEN__ADMINISTRATION:-127.0.0.1:8081}
case $example in
three-fields) row='{"Transaction_Amount":150.75,"Average_Transaction_Amount":120.00,"Frequency_of_Transactions":3}' ;;
bank) row='{"TransactionID":"T1","AccountID":"A1","TransactionAmount":126.29,"TransactionDate":"2026-01-31T18:16:08Z","TransactionType":"Debit","Location":"Mesa","DeviceID":"D000235","IP Address":"192.0.2.7","MerchantID":"M009","Channel":"Online","CustomerAge":19,"CustomerOccupation":"Student","TransactionDuration":56,"LoginAttempts":1,"AccountBalance":1122.35}' ;;
esac
say "serving $config"
cat >&2 <<END
   scores     http://$data/v1/score
   decisions  http://$data/v1/decisions
   detectors  http://$data/v1/detectors
   console    http://$data/console   (log in with the key in $key)
   health     http://$administration/readyz?verbose
   metrics    http://$administration/metrics   (alerts: alertmanager/README.md, dashboards: deploy/grafana/README.md)

   scripts/client.sh --kind $example --url http://$data     (in another terminal: transactions, and what becomes of them)
   curl -H "Authorization: Bearer \$(cat $key)" -d '$row' http://$data/v1/score
END
[ "$example" = bank ] || echo "   curl -H \"Authorization: Bearer \$(cat $key)\" -d '$row' http://$data/predict_isolation_forest" >&2
echo >&2
exec scripts/server.sh "$config"

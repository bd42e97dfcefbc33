#!/usr/bin/env bash
# Builds everything, fits the example detectors on transactions that Synod makes itself, and serves them.
#
# usage: scripts/run.sh [three-fields|bank]     the example to serve; three-fields if none is named
#
# Run again, it starts within seconds: nothing is built or fitted that has not changed. Ctrl-C stops it.
. "$(dirname "$0")/lib.sh"
example=${1:-three-fields}
config=config/examples/$example.yaml
[ -f "$config" ] || { echo "usage: scripts/run.sh [three-fields|bank]" >&2; exit 2; }
need_tools

say "building synod (the first time takes some minutes)"
cargo build --release -p synod-gateway
synod=$CARGO_TARGET_DIR/release/synod
say "building the plugins"
scripts/plugins.sh

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

# Nobody calls without a credential: the first key is made here, and kept where only its owner can read it. It is made again when it has ended.
key=.synod/admin.key
works() { [ -s "$key" ] && "$synod" keys list --config "$config" --format json | tr -d ' \n' | grep -c "\"id\":\"$(cut -d_ -f2 "$key")\",\"state\":\"active\"" >/dev/null; }
if ! works; then
    say "making an API key of the role admin: $key"
    (umask 077 && "$synod" keys create --config "$config" --role admin --label run.sh >"$key.new" && mv "$key.new" "$key")
fi

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

   curl -H "Authorization: Bearer \$(cat $key)" -d '$row' http://$data/v1/score
END
[ "$example" = bank ] || echo "   curl -H \"Authorization: Bearer \$(cat $key)\" -d '$row' http://$data/predict_isolation_forest" >&2
echo >&2
exec "$synod" serve --config "$config"

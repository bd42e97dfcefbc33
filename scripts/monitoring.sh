#!/usr/bin/env bash
# Checks what watches Synod: rules and their tests, the configurations of Prometheus and Alertmanager, who is told of what, and the mixin.
#
# usage: scripts/monitoring.sh
. "$(dirname "$0")/lib.sh"
need_without_service prometheus
need_without_service prometheus-alertmanager
python3 -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv
work=$(mktemp -d)
alertmanager=
trap '[ -z "$alertmanager" ] || kill "$alertmanager"; rm -r "$work"' EXIT

# amtool, which says only what is wrong.
quietly() {
    local said
    said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
}

say "alert rules"
quietly promtool check config deploy/prometheus/prometheus.yml
for tests in alertmanager/rules/tests/*.test.yaml; do promtool test rules "$tests"; done

say "Alertmanager's configuration: as it is, and with all ways of telling people"
cp -r alertmanager/templates "$work/templates"
sed 's/#+ //' alertmanager/alertmanager.yaml >"$work/alertmanager.yaml"
for configuration in alertmanager/alertmanager.yaml "$work/alertmanager.yaml"; do quietly amtool check-config "$configuration"; done

say "who is told of what"
while IFS=$'\t' read -r receiver labels; do
    [[ $receiver == \#* ]] && continue
    # shellcheck disable=SC2086  # labels are words
    quietly amtool config routes test --config.file=alertmanager/alertmanager.yaml --verify.receivers="$receiver" $labels ||
        { say "$labels do not reach $receiver"; exit 1; }
done <alertmanager/tests/routes.tsv

say "what keeps what from being told"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
# Nothing is sent before this is over: a message waits for its group.
sed 's/group_wait: .*/group_wait: 1h/' alertmanager/alertmanager.yaml >"$work/waiting.yaml"
prometheus-alertmanager --config.file="$work/waiting.yaml" --storage.path="$work/storage" --web.listen-address="127.0.0.1:$port" \
    --cluster.listen-address= >"$work/alertmanager.log" 2>&1 &
alertmanager=$!
for _ in {1..100}; do curl -sf "$url/-/ready" >/dev/null && break; sleep 0.1; done
number=0
while IFS=$'\t' read -r expected source target; do
    [[ $expected == \#* ]] && continue
    # Cases share an Alertmanager: each has a job of its own, or a tenant, where labels are compared.
    number=$((number + 1))
    own() { sed "s/job=synod/job=$number/; s/tenant=bank/tenant=$number/" <<<"$1"; }
    read -ra source <<<"$(own "$source")"
    read -ra target <<<"$(own "$target")"
    quietly amtool alert add --alertmanager.url="$url" "${source[@]}"
    quietly amtool alert add --alertmanager.url="$url" "${target[@]}" "case=$number"
    found=no
    for _ in {1..10}; do
        sleep 0.1
        # The API says so once the message of the alert was thought about: asking for its state does that.
        curl -sf "$url/api/v2/alerts?filter=case%3D%22$number%22" | grep -q '"inhibitedBy":\["' && { found=yes; break; }
    done
    [ $found = "$expected" ] || { say "inhibited: $found, and not $expected: ${target[*]} by ${source[*]}"; exit 1; }
done <alertmanager/tests/inhibitions.tsv

say "messages"
# usage: message NAME FILE; how a template of this name writes a message.
message() {
    amtool template render --template.glob='alertmanager/templates/*.tmpl' --template.text="{{ template \"synod.$1\" . }}" --template.data="$2"
}
sed 's/"status": "firing"/"status": "resolved"/' alertmanager/tests/message.json >"$work/resolved.json"
for state in alertmanager/tests/message.json "$work/resolved.json"; do
    for name in subject text html sms; do message $name "$state" >"$work/$name"; [ -s "$work/$name" ]; done
    length=$(tr -d '\n' <"$work/sms" | wc -m)
    [ "$length" -le 160 ] || { say "a text message has $length characters"; exit 1; }
done
message text alertmanager/tests/message.json >"$work/text"
for link in 'Runbook: http' 'Dashboard: http' 'Resolved:'; do grep -q "$link" "$work/text" || { say "the text has no $link"; exit 1; }; done

say "the mixin"
need_python_package gojsonnet 0.22.0 jsonnet
"$folder/bin/python" - "$work" <<'END'
import json, sys, _gojsonnet
evaluated = json.loads(_gojsonnet.evaluate_snippet("mixin", """
  local synod = (import 'deploy/mixin/mixin.libsonnet') + { _config+:: { runbook: 'https://wiki/', dashboards: 'https://grafana' } };
  { alerts: synod.prometheusAlerts, rules: synod.prometheusRules, dashboards: synod.grafanaDashboards }
"""))
for kind in ("alerts", "rules"):
    with open(f"{sys.argv[1]}/mixin-{kind}.yaml", "w") as file:
        json.dump(evaluated[kind], file)
alerts = [rule for group in evaluated["alerts"]["groups"] for rule in group["rules"]]
assert alerts and all(rule["annotations"]["runbook_url"] == "https://wiki/#" + rule["alert"].lower() for rule in alerts), "links"
assert all(rule["annotations"]["dashboard_url"].startswith("https://grafana/d/synod-") for rule in alerts), "links"
assert all(dashboard["uid"].startswith("synod-") for dashboard in evaluated["dashboards"].values()), "dashboards"
print(f"{len(alerts)} alerts, {len(evaluated['dashboards'])} dashboards")
END
quietly promtool check rules "$work"/mixin-*.yaml
say "what watches Synod is in order"

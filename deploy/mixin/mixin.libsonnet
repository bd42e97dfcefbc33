// Synod's monitoring mixin: alerts, recorded series and dashboards, for those who build theirs with Jsonnet.
{
  _config+:: {
    // Where the runbook is: alerts link `runbook#name-of-the-alert`.
    runbook: 'http://runbook.synod.internal/',
    // Where Grafana is.
    dashboards: 'http://grafana.synod.internal',
    // The folder that the dashboards are shown in.
    folder: 'Synod',
  },

  local linked(text) = std.parseJson(
    std.strReplace(std.strReplace(text, '@RUNBOOK@', $._config.runbook), '@DASHBOARDS@', $._config.dashboards)
  ),

  prometheusAlerts+:: linked(importstr 'alerts.json'),
  prometheusRules+:: linked(importstr 'rules.json'),

  grafanaDashboardFolder:: $._config.folder,
  grafanaDashboards+:: import 'dashboards.libsonnet',
}

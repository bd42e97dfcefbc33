// Made by deploy/monitoring (cargo run -p synod-monitoring).
{
  'overview.json': import '../grafana/dashboards/overview.json',
  'detectors.json': import '../grafana/dashboards/detectors.json',
  'drift-and-labels.json': import '../grafana/dashboards/drift-and-labels.json',
  'edge.json': import '../grafana/dashboards/edge.json',
  'self.json': import '../grafana/dashboards/self.json',
}

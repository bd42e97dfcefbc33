// Made by deploy/monitoring (cargo run -p synod-monitoring).
{
}

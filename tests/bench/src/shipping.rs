//! What shipping costs: Synod's shipper and rsyslog's omelasticsearch tell the same documents to the same server, which keeps nothing, in turns
//! in one run. `scripts/bench-shipping.sh` prepares what this needs.

pub(crate) mod decisions;
mod http;
pub(crate) mod null;
mod report;
mod rsyslog;
pub(crate) mod run;
mod shipper;
mod synod;

//! The command line of `synod elk`.

use super::{Args, PathBuf, Subcommand};

/// The names of streams, as options have them.
const STREAMS: [&str; 6] = crate::elk::STREAMS;

/// `synod elk`
#[derive(Debug, Subcommand)]
pub enum Elk {
    /// Make what Elasticsearch and Kibana need, or change it to what it should be.
    #[command(
        after_help = "Examples:\n  synod elk install --url https://es.example:9200 --user elastic --password-file elastic.password --root ca.pem\n  \
        synod elk install --url http://127.0.0.1:9200 --retention access=7d --key-file shipper.key --dry-run\n\n\
        One line for each thing says whether it was made, changed or as it should be: it can be run again at any time, and should be after an\n\
        update of Synod. At the first thing that the server refuses it ends with the server's reason and the exit code 1; what a server does\n\
        not know of what was asked for beside the usual is left out, which is told and gives the exit code 1 as well."
    )]
    Install(ElkInstall),
    /// Say what is not as `install` would make it: the exit code is 3 if anything is.
    #[command(
        after_help = "Example:\n  synod elk verify --url https://es.example:9200 --api-key-file admin.key --kibana-url https://kibana.example\n\n\
        Give it the options that `install` was given. It changes nothing."
    )]
    Verify(ElkVerify),
    /// Send documents again that Elasticsearch refused, once the reason is mended.
    #[command(after_help = "Examples:\n  synod elk redeliver --url https://es.example:9200 --api-key-file admin.key --dry-run\n  \
        synod elk redeliver --url https://es.example:9200 --api-key-file admin.key --type document_parsing_exception --since 2026-01-31\n\n\
        What is taken leaves the dead letters; what is refused again stays there, and gives the exit code 3. None is made twice, however often\n\
        this is done.")]
    Redeliver(ElkRedeliver),
}

/// Where Elasticsearch is, and who calls.
#[derive(Debug, Clone, Args)]
pub struct ElkServer {
    /// Where Elasticsearch is. Can be repeated, for several nodes: the first that answers is taken.
    #[arg(long, value_name = "URL", required = true)]
    pub url: Vec<String>,
    /// Who calls.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// A file with that user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// A file with an API key to call with, as Elasticsearch encodes it.
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub api_key_file: Option<PathBuf>,
    /// The certificates to trust (PEM), in place of those that the system trusts.
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// The last part of the data streams' names.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = namespace)]
    pub namespace: String,
}

/// What is to be there.
#[derive(Debug, Clone, Args)]
pub struct ElkWishes {
    /// For how long a stream's documents are kept, as access=7d; the streams are decision, audit, access, app, edge and dead_letter. Can be repeated.
    #[arg(long, value_name = "STREAM=AGE", value_parser = retention)]
    pub retention: Vec<(String, String)>,
    /// Keep documents by policies of index lifecycle management, in place of the data streams' own lifecycle.
    #[arg(long)]
    pub ilm: bool,
    /// Let Elasticsearch keep what it refuses in its own failure store (from 8.19 and 9.1 on).
    #[arg(long)]
    pub failure_store: bool,
    /// Note when a document arrived, by an ingest pipeline.
    #[arg(long)]
    pub pipeline: bool,
    /// Where Kibana is, with the path of its space if it is not the default one: its data views, searches and dashboards are looked after as well.
    #[arg(long, value_name = "URL")]
    pub kibana_url: Option<String>,
    /// Where people reach Synod: links from Kibana to decisions lead there. Without it they lead to Kibana's own host, where a proxy may have both.
    #[arg(long, value_name = "URL", requires = "kibana_url")]
    pub synod_url: Option<String>,
    /// Where the API key is kept that the shipper calls with. Its text is never printed.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// `synod elk install`
#[derive(Debug, Clone, Args)]
pub struct ElkInstall {
    /// Where Elasticsearch is, and who calls.
    #[command(flatten)]
    pub server: ElkServer,
    /// What is to be there.
    #[command(flatten)]
    pub wishes: ElkWishes,
    /// Make a new API key in place of the one in --key-file, which ends.
    #[arg(long, requires = "key_file")]
    pub rotate: bool,
    /// Have data streams begin a new index where their templates were changed: what is there keeps its mappings otherwise, until it rolls over.
    #[arg(long)]
    pub rollover: bool,
    /// Change nothing: print the requests that would be sent.
    #[arg(long)]
    pub dry_run: bool,
}

/// `synod elk verify`
#[derive(Debug, Clone, Args)]
pub struct ElkVerify {
    /// Where Elasticsearch is, and who calls.
    #[command(flatten)]
    pub server: ElkServer,
    /// What should be there.
    #[command(flatten)]
    pub wishes: ElkWishes,
}

/// `synod elk redeliver`
#[derive(Debug, Clone, Args)]
pub struct ElkRedeliver {
    /// Where Elasticsearch is, and who calls.
    #[command(flatten)]
    pub server: ElkServer,
    /// Only what was refused for this kind of error, as document_parsing_exception.
    #[arg(long = "type", value_name = "WORD")]
    pub kind: Option<String>,
    /// Only documents of this moment and later ones, as 2026-01-31 or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<String>,
    /// Send nothing: count what there is.
    #[arg(long)]
    pub dry_run: bool,
}

fn namespace(text: &str) -> Result<String, String> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    match !text.is_empty() && text.len() <= 100 && text.chars().all(letters) && !text.starts_with(['_', '.']) {
        true => Ok(text.to_owned()),
        false => Err("a namespace has 1 to 100 lower-case letters, digits, `_` and `.`, and begins with a letter or a digit".into()),
    }
}

fn retention(text: &str) -> Result<(String, String), String> {
    let parsed = text.split_once('=').filter(|(stream, age)| STREAMS.contains(stream) && is_age(age));
    let parsed = parsed.map(|(stream, age)| (stream.to_owned(), age.to_owned()));
    parsed.ok_or_else(|| format!("write a stream ({}) and an age in days or hours, as access=7d", STREAMS.join(", ")))
}

/// Whether Elasticsearch takes this for a time: whole days or hours, above none.
fn is_age(text: &str) -> bool {
    let number = text.strip_suffix(['d', 'h']).unwrap_or_default();
    number.len() <= 6 && number.parse::<u32>().is_ok_and(|number| number > 0) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// A moment, as it is given: a server reads both forms.
fn moment(text: &str) -> Result<String, String> {
    let known = text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok();
    if known { Ok(text.to_owned()) } else { Err("write a moment, as 2026-01-31 or 2026-01-31T12:00:00Z".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_age_is_told_so() {
        assert_eq!(retention("access=7d").unwrap(), ("access".into(), "7d".into()));
        for bad in ["access", "access=", "access=7", "access=0d", "access=+7d", "access=7m", "other=7d", "access=9999999d", "access=-1d"] {
            assert!(retention(bad).unwrap_err().contains("as access=7d"), "{bad}");
        }
    }

    #[test]
    fn a_namespace_cannot_widen_what_a_name_stands_for() {
        assert!(namespace("default").is_ok() && namespace("eu.north_1").is_ok());
        for bad in ["", "*", "a-b", "A", "_a", "a,b", "a/b", "a b"] {
            assert!(namespace(bad).is_err(), "{bad}");
        }
    }
}

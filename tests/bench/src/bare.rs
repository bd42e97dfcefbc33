//! The server to compare with: it reads the same rows by the same libraries on the same runtime, and answers without looking at them. What
//! Synod takes beyond this is what Synod does.

use crate::fault::{Doing, Fault};
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// The path of one row.
pub(crate) const ONE: &str = "/one";
/// The path of several rows.
pub(crate) const SEVERAL: &str = "/several";

/// Where a collector takes spans.
const TRACES: &str = "/v1/traces";

/// A row of `config/examples/three-fields.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(rename = "Transaction_Amount")]
    amount: f64,
    #[serde(rename = "Average_Transaction_Amount")]
    average: f64,
    #[serde(rename = "Frequency_of_Transactions")]
    frequency: i64,
}

#[derive(Debug, Serialize)]
struct Answer {
    anomalous: bool,
    score: f64,
}

impl Answer {
    fn to(row: &Row) -> Self {
        // The compiler must not notice that nobody wants the row.
        std::hint::black_box((row.amount, row.average, row.frequency));
        Self { anomalous: false, score: 0.125 }
    }
}

/// Serves until the process is ended.
pub(crate) fn serve() -> Result<(), Fault> {
    let runtime = Builder::new_multi_thread().enable_all().build().doing("cannot start threads")?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.doing("cannot listen")?;
        println!("{}", serde_json::json!({"data": listener.local_addr().doing("cannot listen")?}));
        let routes = Router::new().route(ONE, post(one)).route(SEVERAL, post(several)).route(TRACES, post(collected));
        axum::serve(listener, routes).await.doing("cannot serve")
    })
}

/// Spans are taken, and forgotten.
async fn collected(_: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/x-protobuf")], "").into_response()
}

async fn one(body: Bytes) -> Response {
    answer(serde_json::from_slice::<Row>(&body).map(|row| Answer::to(&row)))
}

async fn several(body: Bytes) -> Response {
    answer(serde_json::from_slice::<Vec<Row>>(&body).map(|rows| rows.iter().map(Answer::to).collect::<Vec<_>>()))
}

fn answer(answer: serde_json::Result<impl Serialize>) -> Response {
    match answer.and_then(|answer| serde_json::to_vec(&answer)) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

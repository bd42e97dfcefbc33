//! OTLP by HTTP, as protobuf.

use super::{Collector, Export, Failed, MOST, SendMistake};
use crate::calling::tls;
use axum::http::{HeaderMap, HeaderValue, header};
use prost::Message;
use reqwest::{Response, redirect};
use url::Url;

pub(super) const USER_AGENT: &str = concat!("synod/", env!("CARGO_PKG_VERSION"));

#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    endpoint: Url,
}

impl Client {
    pub(super) fn new(collector: &Collector) -> Result<Self, SendMistake> {
        let trusted = tls(collector.root.as_deref()).map_err(|source| SendMistake::Root { section: collector.section, source })?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(trusted)
            // What is sent, and the credential that goes with them, go where the configuration says, and nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(USER_AGENT)
            .build()
            .map_err(SendMistake::Http)?;
        Ok(Self { client, endpoint: collector.endpoint.clone() })
    }

    pub(super) async fn send<T: Export>(&mut self, message: &T, mut headers: HeaderMap) -> Result<T::Answer, Failed> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let request = self.client.post(self.endpoint.clone()).headers(headers).body(message.encode_to_vec());
        let response = request.send().await.map_err(|error| Failed::Unreachable(error.without_url()))?;
        match response.status().as_u16() {
            200 => T::Answer::decode(body(response).await?.as_slice()).map_err(|_| Failed::Answer),
            status => Err(Failed::Status(status)),
        }
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failed::Unreachable(error.without_url()))? {
        if body.len() + chunk.len() > MOST {
            return Err(Failed::Answer);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

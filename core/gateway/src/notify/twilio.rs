//! SMS by Twilio's REST API (version 2010-04-01): a form for each recipient.

use super::channel::{Letter, secret};
use super::message::text;
use super::webhook::Notification;
use super::{NotifyError, ReceiverConfig, TwilioConfig, TwilioSender};
use crate::calling::SecretFile;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

#[derive(Debug)]
pub(super) struct Twilio {
    pub(super) config: TwilioConfig,
    token: SecretFile,
    client: Client,
}

impl Twilio {
    pub(super) fn open(config: &TwilioConfig, key: &str, client: &Client) -> Result<Self, NotifyError> {
        let token = secret(format!("{key}.twilio.token_file"), &config.token_file)?;
        Ok(Self { config: config.clone(), token, client: client.clone() })
    }

    pub(super) fn letter(&self, to: &str, notification: &Notification, config: &ReceiverConfig) -> Letter {
        let text = text(notification, config.alerts, config.segments);
        let (name, sender) = match &self.config.sender {
            TwilioSender::From(number) => ("From", number),
            TwilioSender::Service(service) => ("MessagingServiceSid", service),
        };
        let form = Serializer::new(String::new()).append_pair("To", to).append_pair(name, sender).append_pair("Body", &text).finish();
        let mut url = self.config.url.clone();
        url.set_path(&format!("{}/2010-04-01/Accounts/{}/Messages.json", url.path().trim_end_matches('/'), self.config.account));
        let request = self.client.post(url).basic_auth(&self.config.user, Some(self.token.text()));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        Letter { request, shown: serde_json::json!({"To": to, name: sender, "Body": text}) }
    }
}

/// Twilio's own number of an error. Its message has the recipient's number in it, and is nobody's business.
pub(super) fn error_code(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Refusal {
        code: u64,
    }
    serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.code)
}

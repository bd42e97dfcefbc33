//! What a notification says, in a text that a telephone shows.

use super::segments::fitted;
use super::webhook::{Alert, Notification, Status};
use std::fmt::Write as _;

/// `[FIRING 2] name: summary; name: summary; and 3 more`, in at most so many parts of a text message. What is over stands behind what is not.
pub(super) fn text(notification: &Notification, most_alerts: usize, most_parts: usize) -> String {
    let mut text = String::new();
    let mut left = most_alerts;
    for status in [Status::Firing, Status::Resolved] {
        let alerts: Vec<&Alert> = notification.of(status).collect();
        if alerts.is_empty() {
            continue;
        }
        let separator = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{separator}[{} {}] ", status.name().to_uppercase(), alerts.len());
        let named: Vec<String> = alerts.iter().take(left).map(|alert| told(alert)).collect();
        text += &named.join("; ");
        let others = alerts.len() - named.len() + if status == notification.status { notification.truncated_alerts } else { 0 };
        if others > 0 {
            let _ = write!(text, "{}{others} more", if named.is_empty() { "" } else { "; and " });
        }
        left -= named.len();
    }
    fitted(text.trim_end(), most_parts)
}

fn told(alert: &Alert) -> String {
    let summary = alert.summary().split_whitespace().collect::<Vec<_>>().join(" ");
    if summary.is_empty() { alert.name().to_owned() } else { format!("{}: {summary}", alert.name()) }
}

#[cfg(test)]
mod tests {
    use super::super::segments::parts;
    use super::super::webhook::tests::notification;
    use super::*;

    #[test]
    fn a_text_says_what_fires_and_what_is_over() {
        let (a, b, over) = (("firing", "A", "one\n two"), ("firing", "B", ""), ("resolved", "C", "three"));
        let table: [(&[_], &str); 5] = [
            (&[a], "[FIRING 1] A: one two"),
            (&[a, b], "[FIRING 2] A: one two; B"),
            (&[a, a, b, b], "[FIRING 4] A: one two; A: one two; and 2 more"),
            (&[over, a], "[FIRING 1] A: one two [RESOLVED 1] C: three"),
            (&[a, a, over], "[FIRING 2] A: one two; A: one two [RESOLVED 1] 1 more"),
        ];
        for (alerts, expected) in table {
            assert_eq!(text(&notification("firing", alerts), 2, 2), expected);
        }
        assert_eq!(text(&notification("resolved", &[over]), 2, 2), "[RESOLVED 1] C: three");
        let long = text(&notification("firing", &[("firing", "A", &"x ".repeat(500))]), 2, 2);
        assert!(parts(&long) == 2 && long.starts_with("[FIRING 1] A: x x"), "{long}");
    }
}

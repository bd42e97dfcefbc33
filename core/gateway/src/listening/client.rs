//! Whom the other end of a connection is, by the certificate that it showed.

/// A client's certificate, verified by the certificate authority that is configured. It is put into the extensions of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject, as text.
    pub subject: String,
    /// Its alternative names, each after its kind: `dns:…`, `uri:…`, `email:…`.
    pub names: Vec<String>,
    /// Its digest, in hexadecimal digits.
    pub sha256: String,
    /// When it ends, in Unix seconds.
    pub not_after: i64,
}

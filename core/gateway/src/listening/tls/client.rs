//! Who a client is, by the certificate that it showed.

/// A client's certificate that one of the configured authorities vouches for. It stands in the extensions of each request of its connection,
/// as `Arc<ClientCertificate>`; without one, nothing stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject as RFC 4514 writes it: `CN=teller-7,O=Bank`.
    pub subject: String,
    /// Its other names, in the order of the certificate: `dns:…`, `uri:…`, `email:…`.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, 64 hexadecimal digits.
    pub sha256: String,
    /// When it ends, in seconds since 1970.
    pub not_after: i64,
}

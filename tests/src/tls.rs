//! Authorities, the certificates that they sign, and connections that are encrypted with them.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What takes longer does not come, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(30);

/// Both versions that are spoken.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// A connection that is encrypted.
pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// Who signs the tests' certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, as a client shows it.
#[derive(Debug)]
pub struct Shown {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Authority {
    /// An authority with this name.
    ///
    /// # Panics
    /// Never, unless certificates cannot be made at all.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for `synod` that ends with this year, and its key, in PEM.
    #[must_use]
    pub fn certificate(&self, year: i32) -> (String, String) {
        self.certificate_for("synod", year)
    }

    /// A certificate for this name or address that ends with this year, and its key, in PEM.
    ///
    /// # Panics
    /// When the name can be none.
    #[must_use]
    pub fn certificate_for(&self, name: &str, year: i32) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_after = date_time_ymd(year, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem() + &self.issuer.pem(), key.serialize_pem())
    }

    /// A certificate for this name or address as authorities make them: from an hour ago, for so many days.
    ///
    /// # Panics
    /// When the name can be none.
    #[must_use]
    pub fn fresh_certificate_for(&self, name: &str, days: u32) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name = named(name);
        let begin = SystemTime::now() - Duration::from_secs(3600);
        (params.not_before, params.not_after) = (begin.into(), (begin + Duration::from_secs(86_400) * days).into());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem() + &self.issuer.pem(), key.serialize_pem())
    }

    /// A certificate for a client of this name, with this serial number.
    ///
    /// # Panics
    /// Never, unless certificates cannot be made at all.
    #[must_use]
    pub fn client(&self, name: &str, serial: u64) -> Shown {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Shown { certificate: certificate.der().clone(), key: PrivatePkcs8KeyDer::from(key.serialize_der()) }
    }

    /// A list that revokes the certificates with these serial numbers, in PEM. It is out of date at the end of this year.
    ///
    /// # Panics
    /// Never, unless lists cannot be made at all.
    #[must_use]
    pub fn revoked(&self, serials: &[u64], year: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("a list has a text")
    }

    /// What a client knows that trusts this authority and speaks these versions and protocols.
    #[must_use]
    pub fn trusting(&self, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> Arc<ClientConfig> {
        self.trusting_as(versions, protocols, None)
    }

    /// The same for a client that shows a certificate.
    ///
    /// # Panics
    /// Never, unless nothing can be encrypted at all.
    #[must_use]
    pub fn trusting_as(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
        shown: Option<&Shown>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        config(roots, versions, protocols, shown)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::OrganizationName, "Bank");
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What a client knows that trusts these roots.
///
/// # Panics
/// Never, unless nothing can be encrypted at all.
#[must_use]
pub fn config(
    roots: RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
    shown: Option<&Shown>,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).expect("both versions are known");
    let builder = builder.with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => {
            let key = PrivateKeyDer::Pkcs8(shown.key.clone_key());
            builder.with_client_auth_cert(vec![shown.certificate.clone()], key).expect("a certificate with its key")
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Shakes hands with a server that calls itself `synod`.
///
/// # Errors
/// When either side refuses.
pub fn encrypted(config: &Arc<ClientConfig>, address: SocketAddr) -> io::Result<Encrypted> {
    encrypted_with(config, address, "synod")
}

/// Shakes hands with a server of this name.
///
/// # Errors
/// When either side refuses.
///
/// # Panics
/// When the name can be none.
pub fn encrypted_with(config: &Arc<ClientConfig>, address: SocketAddr, name: &str) -> io::Result<Encrypted> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONGEST))?;
    stream.set_write_timeout(Some(LONGEST))?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), name).map_err(io::Error::other)?, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Asks on a connection, and returns the whole answer, which ends with the connection. With TLS 1.3 a client learns only here that its
/// certificate was refused.
///
/// # Errors
/// When the server refuses.
pub fn asked(stream: &mut Encrypted, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(String::from_utf8_lossy(&answer).into_owned()),
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            // A server may close without a word once it has answered.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {
                return Ok(String::from_utf8_lossy(&answer).into_owned());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The server's own certificate on this connection.
///
/// # Panics
/// When it showed none.
#[must_use]
pub fn own(stream: &Encrypted) -> CertificateDer<'static> {
    stream.conn.peer_certificates().and_then(<[_]>::first).expect("a server shows a certificate").clone().into_owned()
}

/// The certificate that a server shows, whoever signed it and however old it is; none if the handshake fails.
///
/// # Panics
/// Never, unless nothing can be encrypted at all.
#[must_use]
pub fn seen(address: SocketAddr, name: &str) -> Option<CertificateDer<'static>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&VERSIONS).expect("both versions are known");
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
    encrypted_with(&Arc::new(config), address, name).ok().map(|stream| own(&stream))
}

/// Trusts anybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

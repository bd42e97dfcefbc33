//! Who a client is, by the certificate that it showed.

use crate::hexadecimal::hexadecimal;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use x509_parser::asn1_rs::ToDer as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A client's certificate that one of the configured authorities vouches for. It stands in the extensions of each request of its connection,
/// as `Arc<ClientCertificate>`; without one, nothing stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject as RFC 4514 writes it: `CN=teller-7,O=Bank`. Whatever a name holds, it cannot pass for another one.
    pub subject: String,
    /// Its other names, in the order of the certificate: `dns:…`, `uri:…`, `email:…`.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, 64 hexadecimal digits.
    pub sha256: String,
    /// When it ends, in seconds since 1970.
    pub not_after: i64,
}

/// A certificate that TLS takes and that cannot be read all the same. Whoever shows it is nobody.
#[derive(Debug, Error)]
#[error("the client's certificate cannot be read")]
pub(super) struct Unreadable;

impl ClientCertificate {
    /// Reads a certificate that was verified.
    pub(super) fn read(der: &[u8]) -> Result<Self, Unreadable> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Unreadable)?;
        // An extension that stands there twice could be read one way here and another way elsewhere.
        let extension = certificate.subject_alternative_name().map_err(|_| Unreadable)?;
        let names = extension.iter().flat_map(|extension| &extension.value.general_names).filter_map(name).collect();
        Ok(Self {
            subject: distinguished(certificate.subject())?,
            names,
            sha256: hexadecimal(&Sha256::digest(der)),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("dns:{}", name.to_ascii_lowercase())),
        GeneralName::URI(name) => Some(format!("uri:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        _ => None,
    }
}

/// The attributes that have a short name, by their identifiers: those of RFC 4514, section 3, and a few that `openssl` writes as well.
const SHORT: [(&str, &str); 14] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.4", "SN"),
    ("2.5.4.42", "GN"),
    ("2.5.4.12", "title"),
    ("2.5.4.5", "serialNumber"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// A name as RFC 4514, section 2, writes it: the last part first.
fn distinguished(name: &X509Name<'_>) -> Result<String, Unreadable> {
    let parts: Vec<_> = name.iter().collect();
    let texts = parts.into_iter().rev().map(|part| Ok(part.iter().map(attribute).collect::<Result<Vec<_>, _>>()?.join("+")));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Result<String, Unreadable> {
    let identifier = attribute.attr_type().to_id_string();
    match (SHORT.iter().find(|(known, _)| *known == identifier), attribute.as_str()) {
        (Some((_, short)), Ok(value)) => Ok(format!("{short}={}", escaped(value))),
        // What has no name or is no text stands there as its bytes.
        (short, _) => {
            let bytes = attribute.attr_value().to_der_vec().map_err(|_| Unreadable)?;
            Ok(format!("{}=#{}", short.map_or(identifier.as_str(), |(_, short)| short), hexadecimal(&bytes)))
        }
    }
}

/// A value as RFC 4514, section 2.4, writes it; control characters as their bytes.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (place, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', c]),
            '#' if place == 0 => text.push_str("\\#"),
            ' ' if place == 0 || place == last => text.push_str("\\ "),
            c if c.is_control() => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text.push_str(&format!("\\{byte:02X}"))),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, date_time_ymd};

    fn shown(subject: &[(DnType, &str)], names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        subject.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
        params.subject_alt_names = names;
        params.not_after = date_time_ymd(2090, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn subject(parts: &[(DnType, &str)]) -> String {
        ClientCertificate::read(&shown(parts, Vec::new())).unwrap().subject
    }

    #[test]
    fn a_subject_is_written_so_that_it_cannot_pass_for_another() {
        let plain = [(DnType::CountryName, "CH"), (DnType::OrganizationName, "Bank"), (DnType::CommonName, "teller-7")];
        assert_eq!(subject(&plain), "CN=teller-7,O=Bank,C=CH");
        assert_eq!(subject(&[(DnType::CommonName, "x,O=Bank")]), "CN=x\\,O\\=Bank".replace("\\=", "="));
        assert_eq!(subject(&[(DnType::CommonName, " #a+b\\;<c>\" ")]), "CN=\\ #a\\+b\\\\\\;\\<c\\>\\\"\\ ");
        assert_eq!(subject(&[(DnType::CommonName, "#a\0\nü")]), "CN=\\#a\\00\\0Aü");
        assert_eq!(subject(&[]), "");
        // Without a short name: the identifier, and the bytes of the value.
        assert_eq!(subject(&[(DnType::CustomDnType(vec![1, 2, 3, 4]), "ab")]), "1.2.3.4=#0c026162");
    }

    #[test]
    fn its_other_names_its_end_and_its_digest_are_read() {
        let names = vec![
            SanType::DnsName("Teller.bank.test".try_into().unwrap()),
            SanType::URI("spiffe://bank/teller".try_into().unwrap()),
            SanType::Rfc822Name("a@bank.test".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
        let der = shown(&[(DnType::CommonName, "teller")], names);
        let read = ClientCertificate::read(&der).unwrap();
        assert_eq!(read.names, ["dns:teller.bank.test", "uri:spiffe://bank/teller", "email:a@bank.test"]);
        assert_eq!((read.not_after, read.sha256), (3_786_912_000, hexadecimal(&Sha256::digest(&der))));
        for cut in 0..der.len() {
            assert!(ClientCertificate::read(&der[..cut]).is_err());
        }
    }
}

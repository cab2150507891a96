//! What a client's certificate says, as backends are told of it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::http::client_certificate::ClientCertificate;
use crate::http::encode;

/// The longest value that is told. Backends take 8 KiB for a whole head.
const LONGEST: usize = 4096;

/// Attributes that have a short name (RFC 4514, 3), and the one that certificates for people have beside them.
const SHORT_NAMES: [(&str, &str); 10] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// What a certificate says. It has been verified, so that hardly one cannot be read; of that the fingerprint alone is told.
pub(super) fn described(certificate: &[u8]) -> ClientCertificate {
    let fingerprint = value(&hexadecimal(digest(&SHA256, certificate).as_ref()));
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        let nothing = ClientCertificate {
            subject: None,
            issuer: None,
            alternative_names: None,
            serial: None,
            fingerprint: fingerprint.clone(),
        };
        return nothing;
    };
    ClientCertificate {
        subject: value(&distinguished(parsed.subject())),
        issuer: value(&distinguished(parsed.issuer())),
        alternative_names: value(&alternative_names(&parsed)),
        serial: value(&hexadecimal(without_sign(parsed.raw_serial()))),
        fingerprint,
    }
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty() && value.len() <= LONGEST)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number whose first bit is set has a zero before it in DER, which is none of its digits.
fn without_sign(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        _ => number,
    }
}

/// As RFC 4514 writes it, the most particular part first. What somebody was named cannot look like a further part.
pub(super) fn distinguished(name: &X509Name<'_>) -> String {
    let part = |attributes: Vec<String>| attributes.join("+");
    let mut parts: Vec<_> = name.iter().map(|parts| part(parts.iter().map(attribute).collect())).collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    let name = SHORT_NAMES.iter().find(|(known, _)| *known == number).map_or(number.as_str(), |(_, short)| short);
    match attribute.as_str() {
        Ok(text) => format!("{name}={}", escaped(text)),
        Err(_) => format!("{name}=#{}", hexadecimal(attribute.as_slice())),
    }
}

/// Escaped by RFC 4514, 2.4; beyond ASCII too, so that every header can carry it.
fn escaped(text: &str) -> String {
    let (last, mut out) = (text.len().saturating_sub(1), String::with_capacity(text.len()));
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=' => out.extend(['\\', char::from(byte)]),
            b'#' if at == 0 => out.push_str("\\#"),
            b' ' if at == 0 || at == last => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

fn alternative_names(certificate: &X509Certificate<'_>) -> String {
    let names = certificate.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
    let names: Vec<_> = names.into_iter().flatten().filter_map(alternative_name).collect();
    names.join(", ")
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{}", encode::listed(name))),
        GeneralName::RFC822Name(name) => Some(format!("email:{}", encode::listed(name))),
        GeneralName::URI(name) => Some(format!("URI:{}", encode::listed(name))),
        GeneralName::DirectoryName(name) => Some(format!("dirName:{}", encode::listed(&distinguished(name)))),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let sixteen = <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            four.or(sixteen).ok().map(|address| format!("IP:{address}"))
        }
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber};

    use super::*;

    fn text(value: Option<HeaderValue>) -> String {
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn no_name_in_a_certificate_looks_like_another_part_of_it() {
        let mut params = CertificateParams::new(vec!["shop.example".to_owned(), "10.1.2.3".to_owned()]).unwrap();
        let uri = "spiffe://a/x, DNS:admin.example".try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        params.serial_number = Some(SerialNumber::from_slice(&[0xff, 0x01]));
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, " 美多, \"O\"=x+y\\");
        params.distinguished_name.push(DnType::CommonName, "#root,O=Admins\r\nX-Admin: 1");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let described = described(certificate.der());
        assert_eq!(
            text(described.subject),
            r#"CN=\#root\,O\=Admins\0D\0AX-Admin: 1,O=\ \E7\BE\8E\E5\A4\9A\, \"O\"\=x\+y\\"#
        );
        let names = "DNS:shop.example, IP:10.1.2.3, URI:spiffe://a/x%2C%20DNS:admin.example";
        assert_eq!(text(described.alternative_names), names);
        assert_eq!(text(described.serial), "ff01");
        assert_eq!(text(described.fingerprint).len(), 64);
    }

    #[test]
    fn what_cannot_be_told_whole_is_not_told() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "x".repeat(LONGEST));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let described = described(certificate.der());
        assert!(described.subject.is_none() && described.alternative_names.is_none());
        assert!(described.fingerprint.is_some());
        assert!(self::described(b"no certificate").subject.is_none());
    }
}

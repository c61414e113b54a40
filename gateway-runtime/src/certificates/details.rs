//! What certificates say of themselves, as the control API tells it. Source: Tyk, `certs/manager.go`; Go, `crypto/x509/pkix`.

use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::name::Name as X509Name;

use super::Stored;
use crate::tls::certificates::Facts;

/// What Go writes for a time that is none.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// What a list tells of a certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Basics {
    id: String,
    issuer_cn: String,
    subject_cn: String,
    dns_names: Vec<String>,
    has_private: bool,
    not_before: String,
    not_after: String,
    is_ca: bool,
}

/// What is told of a single one.
#[derive(Debug, Serialize)]
pub(crate) struct Meta {
    id: String,
    fingerprint: String,
    has_private: bool,
    issuer: Name,
    subject: Name,
    not_before: String,
    not_after: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_names: Vec<String>,
    is_ca: bool,
}

/// Somebody's name, in the members that Go gives it. Attributes that Go has no member for are in `Names` alone.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Name {
    country: Option<Vec<String>>,
    organization: Option<Vec<String>>,
    organizational_unit: Option<Vec<String>>,
    locality: Option<Vec<String>>,
    province: Option<Vec<String>>,
    street_address: Option<Vec<String>>,
    postal_code: Option<Vec<String>>,
    serial_number: String,
    common_name: String,
    names: Option<Vec<Attribute>>,
    extra_names: Option<Vec<Attribute>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    r#type: Vec<u32>,
    value: String,
}

/// What both tell.
#[derive(Default)]
struct Said {
    issuer: Name,
    subject: Name,
    /// Since 1970.
    not_before: Option<Duration>,
    not_after: Option<Duration>,
    dns_names: Vec<String>,
    is_ca: bool,
}

impl Basics {
    pub(crate) fn of(id: String, stored: &Stored) -> Self {
        let said = Said::by(stored);
        Self {
            id,
            issuer_cn: said.issuer.common_name,
            subject_cn: said.subject.common_name,
            dns_names: said.dns_names,
            has_private: stored.key.is_some(),
            not_before: time(said.not_before),
            not_after: time(said.not_after),
            is_ca: said.is_ca,
        }
    }
}

impl Meta {
    pub(crate) fn of(id: String, stored: &Stored) -> Self {
        let said = Said::by(stored);
        Self {
            id,
            fingerprint: stored.fingerprint(),
            has_private: stored.key.is_some(),
            issuer: said.issuer,
            subject: said.subject,
            not_before: time(said.not_before),
            not_after: time(said.not_after),
            dns_names: said.dns_names,
            is_ca: said.is_ca,
        }
    }
}

impl Said {
    /// What cannot be read is left out: the certificate may be of use all the same.
    fn by(stored: &Stored) -> Self {
        match stored.chain.first() {
            Some(certificate) => Self::by_certificate(certificate),
            None => {
                let common_name = format!("Public Key: {}", stored.fingerprint());
                Self { subject: Name { common_name, ..Name::default() }, ..Self::default() }
            }
        }
    }

    fn by_certificate(certificate: &CertificateDer<'_>) -> Self {
        let (dns_names, is_ca) =
            Facts::of(certificate).map(|facts| (facts.names, facts.is_authority)).unwrap_or_default();
        let Ok(parsed) = Certificate::from_der(certificate) else {
            return Self { dns_names, is_ca, ..Self::default() };
        };
        let parsed = parsed.tbs_certificate();
        Self {
            issuer: Name::of(parsed.issuer()),
            subject: Name::of(parsed.subject()),
            not_before: Some(parsed.validity().not_before.to_unix_duration()),
            not_after: Some(parsed.validity().not_after.to_unix_duration()),
            dns_names,
            is_ca,
        }
    }
}

/// In seconds, as Go writes it.
fn time(time: Option<Duration>) -> String {
    let time = time.map(|since_1970| humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_1970));
    time.map_or_else(|| NO_TIME.to_owned(), |time| time.to_string())
}

impl Name {
    fn of(written: &X509Name) -> Self {
        let mut name = Self::default();
        for attribute in written.iter() {
            let value = text(attribute);
            let several = match attribute.oid.to_string().as_str() {
                "2.5.4.3" => {
                    name.common_name.clone_from(&value);
                    None
                }
                "2.5.4.5" => {
                    name.serial_number.clone_from(&value);
                    None
                }
                "2.5.4.6" => Some(&mut name.country),
                "2.5.4.7" => Some(&mut name.locality),
                "2.5.4.8" => Some(&mut name.province),
                "2.5.4.9" => Some(&mut name.street_address),
                "2.5.4.10" => Some(&mut name.organization),
                "2.5.4.11" => Some(&mut name.organizational_unit),
                "2.5.4.17" => Some(&mut name.postal_code),
                _ => None,
            };
            if let Some(several) = several {
                several.get_or_insert_default().push(value.clone());
            }
            name.names.get_or_insert_default().push(Attribute { r#type: arcs(attribute.oid), value });
        }
        name
    }
}

fn arcs(oid: ObjectIdentifier) -> Vec<u32> {
    oid.arcs().collect()
}

/// The text of an attribute, in whatever of the kinds of strings it is written.
fn text(attribute: &AttributeTypeAndValue) -> String {
    let value = &attribute.value;
    let text = match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned()),
        Tag::PrintableString => value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned()),
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().map(|text| text.as_str().to_owned()),
        Tag::TeletexString => value.decode_as::<TeletexStringRef<'_>>().map(|text| text.as_str().to_owned()),
        _ => Ok(String::from_utf8_lossy(value.value()).into_owned()),
    };
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::tls::testing;

    fn stored(text: &str) -> Stored {
        Stored::read(text, "").expect("a certificate")
    }

    #[test]
    fn a_certificate_tells_its_names_and_times() {
        let authority = testing::authority("CA");
        let told: Value =
            serde_json::to_value(Meta::of("o1".into(), &stored(&testing::client("ann", &authority).certificate)))
                .expect("JSON");
        assert_eq!(told["subject"]["CommonName"], "ann");
        assert_eq!(told["issuer"]["CommonName"], "CA");
        assert_eq!(
            told["subject"]["Names"].as_array().expect("names").last(),
            Some(&json!({"Type": [2, 5, 4, 3], "Value": "ann"}))
        );
        assert_eq!((&told["subject"]["Country"], &told["is_ca"]), (&Value::Null, &json!(false)));
        assert_eq!(
            (&told["not_before"], &told["not_after"]),
            (&json!("1975-01-01T00:00:00Z"), &json!("4096-01-01T00:00:00Z"))
        );
        assert_eq!(told.get("dns_names"), None);
        let basics = serde_json::to_value(Basics::of("o2".into(), &stored(&authority.certificate))).expect("JSON");
        assert_eq!(
            (&basics["subject_cn"], &basics["is_ca"], &basics["has_private"]),
            (&json!("CA"), &json!(true), &json!(false))
        );
        let server = testing::server(&["a.example.com"]);
        let basics = Basics::of(String::new(), &stored(&format!("{}{}", server.certificate, server.key)));
        assert_eq!((basics.dns_names, basics.has_private), (vec!["a.example.com".to_owned()], true));
    }

    #[test]
    fn a_public_key_is_told_by_its_digest() {
        let key = Stored { chain: Vec::new(), key: None, public_key: b"k".to_vec(), not_after: None, digest: [0; 32] };
        let basics = Basics::of("id".into(), &key);
        assert_eq!(basics.subject_cn, format!("Public Key: {}", key.fingerprint()));
        assert_eq!((basics.not_before.as_str(), basics.not_after.as_str()), (NO_TIME, NO_TIME));
    }
}

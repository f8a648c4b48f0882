//! What certificates tell to logins: the user that a client's names, and the hash of ours that SCRAM binds to.

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Utf8String};
use x509_parser::extensions::GeneralName;

/// Which field of a client's certificate names the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserField {
    /// The mail address among the alternative names (RFC 5280 §4.2.1.6).
    #[default]
    Email,
    /// The user principal name among them, as Active Directory issues it.
    Upn,
    /// The subject's common name.
    CommonName,
}

/// szOID_NT_PRINCIPAL_NAME
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";

/// The user that a verified certificate names: exactly one, or nobody, because another one could be the wrong one.
pub fn user(certificate: &CertificateDer<'_>, field: UserField) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut names = match field {
        UserField::CommonName => {
            certificate.subject().iter_common_name().map(|name| name.as_str().ok().map(str::to_owned)).collect()
        }
        _ => alternative_names(&certificate, field),
    };
    let (name, None) = (names.pop()?, names.pop()) else { return None };
    name.filter(|name| !name.is_empty() && !name.contains('\0'))
}

fn alternative_names(certificate: &X509Certificate<'_>, field: UserField) -> Vec<Option<String>> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match (field, name) {
        (UserField::Email, GeneralName::RFC822Name(address)) => Some(Some((*address).to_owned())),
        (UserField::Upn, GeneralName::OtherName(oid, value)) if oid.to_id_string() == UPN => Some(utf8(value)),
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

// RFC 5280 §4.2.1.6: OtherName ::= SEQUENCE { type-id, value [0] EXPLICIT ANY }
fn utf8(value: &[u8]) -> Option<String> {
    let (_, explicit) = Any::from_der(value).ok()?;
    let (_, text) = Utf8String::from_der(explicit.data).ok()?;
    Some(text.string())
}

/// `tls-server-end-point` (RFC 5929 §4.1): the certificate's hash by the function of its signature, but SHA-256 for MD5 and
/// SHA-1. `None` where the signature names no function, as Ed25519.
pub fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // md5, sha1 and sha256WithRSAEncryption; ecdsa-with-SHA1 and -SHA256
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.113549.1.1.11" => &digest::SHA256,
        "1.2.840.10045.4.1" | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn certificate(alternatives: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ana");
        params.subject_alt_names = alternatives;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn email(address: &str) -> SanType {
        SanType::Rfc822Name(address.try_into().unwrap())
    }

    #[test]
    fn the_one_name_of_the_field_is_the_user() {
        let upn = SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], "ana@corp.test".into()));
        let both = certificate(vec![upn, email("ana@example.test")]);
        assert_eq!(user(&both, UserField::Email).as_deref(), Some("ana@example.test"));
        assert_eq!(user(&both, UserField::Upn).as_deref(), Some("ana@corp.test"));
        assert_eq!(user(&both, UserField::CommonName).as_deref(), Some("ana"));
    }

    #[test]
    fn two_names_or_none_are_nobody() {
        let two = certificate(vec![email("ana@example.test"), email("bob@example.test")]);
        assert_eq!(user(&two, UserField::Email), None);
        assert_eq!(user(&two, UserField::Upn), None);
        assert_eq!(user(&CertificateDer::from(vec![0x30, 0x80]), UserField::Email), None);
    }

    #[test]
    fn a_channel_is_bound_to_the_hash_of_the_signature() {
        let certificate = certificate(vec![]);
        let hash = digest::digest(&digest::SHA256, &certificate);
        assert_eq!(end_point(&certificate).as_deref(), Some(hash.as_ref()));
    }
}

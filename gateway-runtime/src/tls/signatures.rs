//! What all verifiers do alike: a handshake must be signed with the key of the certificate that was shown.

/// Those methods, for an `impl` of rustls' `ServerCertVerifier` or `ClientCertVerifier`. What is named is the field of
/// `self` with the algorithms that count.
macro_rules! signatures_by {
    ($($algorithms:tt)+) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.$($algorithms)+)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.$($algorithms)+)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.$($algorithms)+.supported_schemes()
        }
    };
}

pub(crate) use signatures_by;

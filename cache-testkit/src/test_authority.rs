//! Certificates for tests.

use std::{fmt, fs, io, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, IsCa, KeyPair};
use redis::{Client, ClientTlsConfig, RedisResult, TlsCertificates};

/// An authority of a test's own, which signs the certificates of its servers and clients. Nobody else trusts it.
#[derive(Clone)]
pub struct TestAuthority(Arc<CertifiedIssuer<'static, KeyPair>>);

impl fmt::Debug for TestAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAuthority").finish_non_exhaustive()
    }
}

impl TestAuthority {
    /// A new authority.
    ///
    /// # Panics
    ///
    /// If the system gives no random numbers.
    pub fn new() -> Self {
        let authority = || {
            let mut params = CertificateParams::new(Vec::new())?;
            params
                .distinguished_name
                .push(DnType::CommonName, "an authority for tests");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate()?)
        };
        Self(Arc::new(authority().expect("a key was made and signed")))
    }

    /// The authority's own certificate, in PEM: whom to trust.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A new certificate for these names, and its key, both in PEM.
    ///
    /// # Panics
    ///
    /// If one of the names is none that a certificate can have.
    pub fn certify<const N: usize>(&self, names: [&str; N]) -> (String, String) {
        self.try_certify(names).expect("the names are names of hosts")
    }

    fn try_certify<const N: usize>(&self, names: [&str; N]) -> Result<(String, String), Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.map(str::to_owned).to_vec())?;
        // Another name than the authority's: else it would be taken for one that signed itself.
        params
            .distinguished_name
            .push(DnType::CommonName, names.first().copied().unwrap_or("nobody"));
        let certificate = params.signed_by(&key, &self.0)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Puts what a server needs into its folder.
    pub(crate) fn certify_server(&self, folder: &Path) -> io::Result<()> {
        let (certificate, key) = self.certify(["localhost", "127.0.0.1"]);
        fs::write(folder.join("ca.pem"), self.certificate())?;
        fs::write(folder.join("server.pem"), certificate)?;
        fs::write(folder.join("server.key"), key)
    }

    /// A client that trusts the authority and has a certificate of it.
    pub(crate) fn client(&self, url: &str) -> RedisResult<Client> {
        let (certificate, key) = self.certify(["client"]);
        let certificates = TlsCertificates {
            client_tls: Some(ClientTlsConfig {
                client_cert: certificate.into_bytes(),
                client_key: key.into_bytes(),
            }),
            root_cert: Some(self.certificate().into_bytes()),
        };
        Client::build_with_tls(url, certificates)
    }
}

impl Default for TestAuthority {
    fn default() -> Self {
        Self::new()
    }
}

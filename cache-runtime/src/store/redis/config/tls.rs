//! Certificates: whom to trust, and who one is.

use redis::{Client, ClientTlsConfig, ConnectionAddr, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};

use super::{Deployment, RedisConfig};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

pub(super) fn with_ca(mut config: RedisConfig, pem: &[u8]) -> Result<RedisConfig, String> {
    require(pem, CERTIFICATE)?;
    config.certificates.root_cert = Some(pem.to_vec());
    with_certificates(config)
}

pub(super) fn with_client(mut config: RedisConfig, certificate: &[u8], key: &[u8]) -> Result<RedisConfig, String> {
    require(certificate, CERTIFICATE)?;
    require(key, "PRIVATE KEY-----")?;
    config.certificates.client_tls = Some(ClientTlsConfig {
        client_cert: certificate.to_vec(),
        client_key: key.to_vec(),
    });
    with_certificates(config)
}

/// The client takes a text without any certificate for one with none to trust.
fn require(pem: &[u8], what: &str) -> Result<(), String> {
    if String::from_utf8_lossy(pem).contains(what) {
        return Ok(());
    }
    Err(format!("it is not PEM with `{what}` in it"))
}

/// Puts the certificates into every address.
fn with_certificates(mut config: RedisConfig) -> Result<RedisConfig, String> {
    let TlsCertificates { client_tls, root_cert } = &config.certificates;
    let certificates = TlsCertificates {
        client_tls: client_tls.clone(),
        root_cert: root_cert.clone(),
    };
    choose_provider(config.info.addr());
    let client = Client::build_with_tls(config.info.clone(), certificates).map_err(|error| error.to_string())?;
    let ConnectionAddr::TcpTls { tls_params: made, .. } = client.get_connection_info().addr().clone() else {
        return Err("certificates are for URLs that begin with rediss".to_owned());
    };
    config.info = client.get_connection_info().clone();
    if let Deployment::Cluster { seeds: all } | Deployment::Sentinel { sentinels: all, .. } = &mut config.deployment {
        for address in all {
            if let ConnectionAddr::TcpTls { tls_params, .. } = address {
                tls_params.clone_from(&made);
            }
        }
    }
    Ok(config)
}

/// The client builds its TLS sessions with the process's provider of cryptography, and panics where features of other crates
/// leave open which one that is. A provider that the program has installed is left alone.
pub(super) fn choose_provider(address: &ConnectionAddr) {
    if matches!(address, ConnectionAddr::TcpTls { .. }) && CryptoProvider::get_default().is_none() {
        // Fails only if another thread has just installed one.
        drop(ring::default_provider().install_default());
    }
}

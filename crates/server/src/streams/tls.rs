//! Certificates: ours for who connects to us, and the authorities that vouch for whom we connect
//! to. Reads PEM files; knows nothing of SIP.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::Sip;

/// Takes connections with the certificate of the configuration, as the files are now; `None`
/// when there is none.
///
/// # Errors
/// A file cannot be read, or key and certificate do not belong together.
pub fn acceptor(sip: &Sip) -> Result<Option<TlsAcceptor>> {
    if sip.tls_port == 0 {
        return Ok(None);
    }
    let chain = certificates(&sip.tls_certificate)?;
    let key = PrivateKeyDer::from_pem_file(&sip.tls_key)
        .with_context(|| format!("sip.tls_key: reading {}", sip.tls_key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("choosing the versions of TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("sip.tls_certificate and sip.tls_key do not belong together")?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// The authorities of the configuration that can be used: a bundle may have others.
///
/// # Errors
/// The file of authorities cannot be read, or has none.
pub fn authorities(sip: &Sip) -> Result<Vec<CertificateDer<'static>>> {
    let mut usable = certificates(&sip.tls_authorities)?;
    usable.retain(|authority| RootCertStore::empty().add(authority.clone()).is_ok());
    if usable.is_empty() {
        bail!("sip.tls_authorities: no usable certificate in {}", sip.tls_authorities.display());
    }
    Ok(usable)
}

/// Makes connections to peers that the authorities of the configuration vouch for.
///
/// # Errors
/// The file of authorities cannot be read, or has none.
pub fn connector(sip: &Sip) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities(sip)?);
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("choosing the versions of TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What the certificate of a host must name: a name or an address.
///
/// # Errors
/// No certificate could have that name.
pub fn server_name(host: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned())
        .with_context(|| format!("'{host}' is no name that a certificate could have"))
}

/// What a peer's certificate must name: the host of its trunk, else its address.
pub fn name_of(host: Option<&str>, address: SocketAddr) -> Result<ServerName<'static>> {
    match host {
        Some(host) => server_name(host),
        None => Ok(ServerName::from(address.ip())),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .with_context(|| format!("reading the certificates of {}", file.display()))
}

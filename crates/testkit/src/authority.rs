//! A certificate authority of the test process's own, and a certificate of it for services on this machine.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

struct Authority {
    pem: String,
    root: CertificateDer<'static>,
    server: Arc<ServerConfig>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| make().unwrap_or_else(|error| panic!("{error}")));

fn make() -> anyhow::Result<Authority> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key)?;
    let server_key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&server_key, &Issuer::new(params, key))?;
    let private = PrivateKeyDer::try_from(server_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let server = Arc::new(builder.with_single_cert(vec![certificate.der().clone()], private)?);
    Ok(Authority { pem: root.pem(), root: root.der().clone(), server })
}

/// The certificate of the authority that certifies this process's encrypted services, in PEM.
pub fn authority_pem() -> &'static str {
    &AUTHORITY.pem
}

/// What services encrypt with.
pub(crate) fn acceptor() -> TlsAcceptor {
    TlsAcceptor::from(Arc::clone(&AUTHORITY.server))
}

/// A client that believes the authority, or nobody.
pub(crate) fn client(trusts: bool) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if trusts {
        roots.add(AUTHORITY.root.clone())?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(Arc::new(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth()))
}

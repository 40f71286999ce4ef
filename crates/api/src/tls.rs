//! The service's own certificate: read from PEM files, shown to whoever connects, and read again when the files change, so
//! that a renewed certificate needs no restart.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use crate::edge_settings::TlsFiles;
use crate::problem::Chain;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("reading {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} holds no certificate in PEM form")]
    Certificate {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{path} holds no private key in PEM form")]
    Key {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("the certificate and the key don't belong together, or are of an unknown kind")]
    Pair(#[source] rustls::Error),
    #[error("setting up TLS")]
    Settings(#[source] rustls::Error),
}

/// The certificate as it is now.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsFiles,
    read: RwLock<Read>,
}

#[derive(Debug)]
struct Read {
    text: (Vec<u8>, Vec<u8>),
    key: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads the files.
    pub(crate) fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let text = text_of(&files)?;
        let key = parse(&files, &text)?;
        Ok(Arc::new(Self { files, read: RwLock::new(Read { text, key }) }))
    }

    /// What the server is set up with. TLS 1.2 and 1.3, no client certificates.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Settings)?;
        Ok(builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>))
    }

    /// Reads the files again whenever they change, until the service stops. Files that can't be used leave the certificate
    /// as it is: somebody may be half way through replacing them.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut complained_of = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.read_again() {
                Ok(true) => {
                    tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is used")
                }
                Ok(false) => complained_of = None,
                Err(error) => {
                    let text = Chain(&error).to_string();
                    if complained_of.as_ref() != Some(&text) {
                        tracing::warn!(error = text, "the certificate's files changed and can't be used");
                        complained_of = Some(text);
                    }
                }
            }
        }
    }

    /// Whether there is a new certificate.
    fn read_again(&self) -> Result<bool, TlsError> {
        let text = text_of(&self.files)?;
        if self.read.read().unwrap_or_else(PoisonError::into_inner).text == text {
            return Ok(false);
        }
        let key = parse(&self.files, &text)?;
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = Read { text, key };
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.read.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn text_of(files: &TlsFiles) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
    let read = |path: &Path| fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
    Ok((read(&files.certificate)?, read(&files.key)?))
}

fn parse(files: &TlsFiles, (certificate, key): &(Vec<u8>, Vec<u8>)) -> Result<Arc<CertifiedKey>, TlsError> {
    let no_certificate = |source| TlsError::Certificate { path: files.certificate.clone(), source };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(no_certificate)?;
    if chain.is_empty() {
        return Err(no_certificate(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Key { path: files.key.clone(), source })?;
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(TlsError::Pair)
}

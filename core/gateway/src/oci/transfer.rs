//! Pushing and pulling, as the distribution specification says.

use super::artifact::{Descriptor, ImageManifest, MANIFEST_TYPE};
use super::client::{Doing, Request};
use super::plugin;
use super::reference::{digest_of, spelled};
use super::version::VERSION;
use super::{Access, Artifact, Client, OciError, Part, PluginBundle, Reference, Shape};
use crate::bundle::Bundle;
use crate::hexadecimal::digest_of_bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

/// Most bytes of an image manifest: what registries take.
const LARGEST_MANIFEST: u64 = 4 << 20;
const DIGEST: &str = "docker-content-digest";

/// Is told how many bytes of how many have gone over the network.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

impl Reference {
    /// Stores a version there, and answers its digest.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push_version(&self, access: &Access, bundle: Bundle, progress: Progress<'_>) -> Result<String, OciError> {
        push(self, access, &VERSION, &bundle.into(), progress).await
    }

    /// Reads a version from there. Beside it the digest by which it can be pinned.
    ///
    /// # Errors
    /// When there is none, or what comes is not what was asked for.
    pub async fn pull_version(&self, access: &Access, progress: Progress<'_>) -> Result<(Bundle, String), OciError> {
        let (artifact, digest) = pull(self, access, &VERSION, progress).await?;
        Ok((Bundle::of_artifact(artifact)?, digest))
    }

    /// Stores a plugin of this name and version there, and answers its digest.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push_plugin(
        &self,
        access: &Access,
        plugin: PluginBundle,
        (name, version): (&str, &str),
        progress: Progress<'_>,
    ) -> Result<String, OciError> {
        push(self, access, &plugin::SHAPE, &plugin.artifact(name, version), progress).await
    }

    /// Reads a plugin from there. Beside it the digest by which it can be pinned.
    ///
    /// # Errors
    /// When there is none, or what comes is not what was asked for.
    pub async fn pull_plugin(&self, access: &Access, progress: Progress<'_>) -> Result<(PluginBundle, String), OciError> {
        let (artifact, digest) = pull(self, access, &plugin::SHAPE, progress).await?;
        Ok((PluginBundle::of_artifact(artifact)?, digest))
    }
}

async fn push(
    reference: &Reference,
    access: &Access,
    shape: &Shape,
    artifact: &Artifact,
    progress: Progress<'_>,
) -> Result<String, OciError> {
    if reference.digest().is_some() {
        return Err(OciError::Shape(format!("{reference}: a digest follows from what is pushed: name a tag, or neither")));
    }
    let client = Client::new(reference, access, Doing::Push)?;
    let manifest = ImageManifest::of(shape, artifact);
    let text = serde_json::to_vec(&manifest).map_err(|error| OciError::Shape(error.to_string()))?;
    let parts = std::iter::once((&manifest.config, &artifact.config)).chain(manifest.layers.iter().zip(&artifact.layers));
    let (mut done, all) = (0, total(&manifest));
    for (descriptor, part) in parts {
        progress(done, all);
        push_blob(&client, descriptor, part).await?;
        done += descriptor.size;
    }
    progress(done, all);
    let digest = digest_of_bytes(&text);
    let request = Request {
        method: Method::PUT,
        url: client.place(&format!("manifests/{}", reference.name()))?,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(MANIFEST_TYPE))]),
        body: text,
        what: "the manifest",
        bytes: 0,
    };
    let response = client.must_be(client.send(&request).await?, &[StatusCode::CREATED], request.what).await?;
    match stated(response.headers()) {
        Some(stated) if stated != digest => Err(OciError::Digest { what: reference.to_string(), expected: digest, found: stated }),
        _ => Ok(digest),
    }
}

/// Stores a blob, unless it is there.
async fn push_blob(client: &Client, descriptor: &Descriptor, part: &Part) -> Result<(), OciError> {
    let plain = |method: Method, url, what| Request { method, url, headers: HeaderMap::new(), body: Vec::new(), what, bytes: 0 };
    let there = plain(Method::HEAD, client.place(&format!("blobs/{}", descriptor.digest()))?, "the question whether it has a blob");
    // Whatever else it answers, the upload will tell why.
    if client.send(&there).await?.status() == StatusCode::OK {
        return Ok(());
    }
    let begin = plain(Method::POST, client.place("blobs/uploads/")?, "the beginning of an upload");
    let response = client.must_be(client.send(&begin).await?, &[StatusCode::ACCEPTED], begin.what).await?;
    let mut url = client.location(response.headers(), &begin.url)?;
    url.query_pairs_mut().append_pair("digest", descriptor.digest());
    let request = Request {
        method: Method::PUT,
        url,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))]),
        body: part.bytes.clone(),
        what: "an upload",
        bytes: 0,
    };
    client.must_be(client.send(&request).await?, &[StatusCode::CREATED], request.what).await.map(|_| ())
}

async fn pull(reference: &Reference, access: &Access, shape: &Shape, progress: Progress<'_>) -> Result<(Artifact, String), OciError> {
    let client = Client::new(reference, access, Doing::Pull)?;
    let (manifest, digest) = pull_manifest(&client, reference, shape).await?;
    let all = total(&manifest);
    let config = pull_blob(&client, &manifest.config, &|seen| progress(seen, all)).await?;
    let mut done = manifest.config.size;
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for layer in &manifest.layers {
        layers.push(pull_blob(&client, layer, &|seen| progress(done + seen, all)).await?);
        done += layer.size;
    }
    Ok((Artifact { config, layers, annotations: manifest.annotations }, digest))
}

async fn pull_manifest(client: &Client, reference: &Reference, shape: &Shape) -> Result<(ImageManifest, String), OciError> {
    let request = Request {
        method: Method::GET,
        url: client.place(&format!("manifests/{}", reference.name()))?,
        headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MANIFEST_TYPE))]),
        body: Vec::new(),
        what: "the question for the manifest",
        bytes: LARGEST_MANIFEST,
    };
    let response = client.must_be(client.send(&request).await?, &[StatusCode::OK], request.what).await?;
    let stated = stated(response.headers());
    let text = client.read(response, LARGEST_MANIFEST, |_| {}).await?;
    let found = digest_of_bytes(&text);
    // By a tag the registry only has to agree with itself.
    for expected in reference.digest().map(str::to_owned).into_iter().chain(stated) {
        if expected != found {
            return Err(OciError::Digest { what: format!("the manifest of {reference}"), expected, found });
        }
    }
    Ok((ImageManifest::read(&text, shape)?, found))
}

/// Reads a blob, whose size has been checked, and compares it with its digest.
async fn pull_blob(client: &Client, descriptor: &Descriptor, seen: &dyn Fn(u64)) -> Result<Part, OciError> {
    let request = Request {
        method: Method::GET,
        url: client.place(&format!("blobs/{}", descriptor.digest()))?,
        headers: HeaderMap::new(),
        body: Vec::new(),
        what: "the question for a blob",
        bytes: descriptor.size,
    };
    let response = client.must_be(client.fetch(request).await?, &[StatusCode::OK], "the question for a blob").await?;
    let bytes = client.read(response, descriptor.size, seen).await?;
    let found = spelled(&digest_of_bytes(&bytes));
    match found == descriptor.digest() {
        true => Ok(Part { media_type: descriptor.media_type.clone(), bytes }),
        false => Err(OciError::Digest { what: format!("a blob of {}", client.host()), expected: descriptor.digest().to_owned(), found }),
    }
}

/// What the registry says the digest is.
fn stated(headers: &HeaderMap) -> Option<String> {
    headers.get(DIGEST).and_then(|value| digest_of(value.to_str().ok()?))
}

fn total(manifest: &ImageManifest) -> u64 {
    manifest.config.size + manifest.layers.iter().map(|layer| layer.size).sum::<u64>()
}
